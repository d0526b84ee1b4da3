package xarf

// The types of category content.

// v4Content is what every type of the category has.
var v4Content = obj(
	need("url", uri),
	may("domain", like(`^([a-z0-9]+(-[a-z0-9]+)*\.)+[a-z]{2,}$`)),
	may("registrar target_brand hosting_provider", str),
	may("nameservers", listOf(str)),
	may("dns_records", obj(may("a", listOf(ipv4)), may("aaaa", listOf(ipv6)), may("mx txt", listOf(str)))),
	may("screenshot_url", uri),
	may("verified_at", dateTime),
	may("verification_method", words("manual automated_crawler user_report honeypot threat_intelligence")),
	may("attack_vector", words(`phishing malware fraud brand_infringement copyright_infringement data_leak
		remote_compromise suspicious_registration`)),
	may("asn", &rule{is: number, whole: true, min: limit(1), max: limit(1<<32 - 1)}),
	may("country_code", country),
	may("ssl_certificate", obj(may("issuer subject fingerprint", str), may("valid_from valid_to", dateTime))),
	may("whois", obj(
		may("registrant", str), may("created_date updated_date expiry_date", dateTime),
		may("registrar_abuse_contact", email))),
	may("dns_response", obj(
		may("query_time", dateTime), may("authoritative", flag),
		may("response_code", words("NOERROR NXDOMAIN SERVFAIL REFUSED")))),
)

func content(groups ...[]member) *rule { return &rule{all: []*rule{v4Content, obj(groups...)}} }

var exploitedCVE = like(`^CVE-[0-9]{4}-[0-9]{4,}$`)

var v4Phishing = content(
	may("credential_fields", listOf(str)),
	may("phishing_kit", str),
	may("redirect_chain", listOf(uri)),
	may("submission_url cloned_site", uri),
	may("detection_evasion", listOf(words(`geo_blocking user_agent_filtering referrer_checking captcha
		time_based_display ip_blacklisting obfuscation other`))),
	may("lure_type", words(`account_suspension security_alert payment_issue prize_notification document_share
		password_reset shipping_notification tax_refund other`)),
)

var v4Malware = content(
	may("malware_family", str),
	may("malware_type", words(`trojan ransomware dropper loader backdoor rootkit infostealer banking_trojan
		cryptominer adware spyware worm bot rat other`)),
	may("file_hashes", obj(may("md5", md5Hex), may("sha1", sha1Hex), may("sha256", sha256Hex), may("ssdeep", str))),
	may("file_metadata", obj(may("filename file_type mime_type", str), may("file_size", counted))),
	may("distribution_method", words(`direct_download drive_by_download email_attachment malvertising exploit_kit
		watering_hole supply_chain social_engineering other`)),
	may("c2_servers", listOf(obj(
		may("address", str), may("port", port), may("protocol", words("http https tcp udp dns other"))))),
	may("sandbox_analysis", obj(
		may("sandbox_name", str), may("analysis_url", uri),
		may("verdict", words("malicious suspicious clean unknown")), may("score", hundred))),
	may("exploit_cve", listOf(exploitedCVE)),
	may("persistence_mechanism", listOf(words(`registry scheduled_task service startup_folder dll_hijacking wmi
		other`))),
	may("targeted_platforms", listOf(words("windows linux macos android ios multi_platform"))),
)

var v4CSAM = content(
	need("classification", words("baseline A1 A2 B1 B2")),
	may("media_type", words("image video audio text mixed")),
	need("detection_method", words("hash_match ai_detection manual_review user_report automated_scan")),
	may("hash_values", obj(may("md5", md5Hex), may("sha1", sha1Hex), may("sha256", sha256Hex), may("photodna", str))),
	may("ncmec_report_id", str),
	may("content_removed account_suspended", flag),
)

var v4CSEM = content(
	need("exploitation_type", words(`grooming solicitation sextortion trafficking distribution production
		possession`)),
	may("victim_age_range", words("infant toddler prepubescent pubescent unknown")),
	may("platform", words("social_media messaging_app gaming_platform forum email darkweb other")),
	need("detection_method", words(`behavioral_analysis keyword_detection user_report ai_detection manual_review
		law_enforcement_referral`)),
	may("evidence_type", listOf(words("chat_logs images videos user_profile metadata"))),
	may("perpetrator_indicators", obj(
		may("account_id pattern_of_behavior", str), may("ip_addresses", listOf(ipv4)))),
	may("reporting_obligations", listOf(words(`NCMEC IWF local_law_enforcement europol interpol
		platform_safety_team other`))),
)

var v4ExposedData = content(
	need("data_types", listFrom(1, words(`personal_information credentials financial medical government_id
		email_addresses phone_numbers api_keys database_dumps source_code internal_documents customer_data
		employee_data intellectual_property other`))),
	need("exposure_method", words(`misconfigured_server open_directory database_exposure git_repository backup_file
		log_file cloud_storage paste_site forum_post ransomware_leak intentional_leak other`)),
	may("record_count", counted),
	may("affected_organization", str),
	may("data_format", words("plaintext csv json xml sql excel pdf mixed other")),
	may("sensitive_fields", listOf(str)),
	may("encryption_status", words("unencrypted encrypted partially_encrypted hashed unknown")),
	may("accessibility", words("public requires_authentication requires_payment dark_web removed")),
	may("discovery_source", words(`security_researcher automated_scan breach_monitoring user_report law_enforcement
		threat_intelligence other`)),
	may("sample_records", listUpTo(5, obj(may("description redacted_sample", str)))),
)

var v4Brand = content(
	need("infringement_type", words(`counterfeit typosquatting lookalike homograph unauthorized_reseller
		trademark_violation brand_impersonation logo_misuse other`)),
	need("legitimate_site", uri),
	may("similarity_score", unit),
	may("trademark_details", obj(
		may("registration_number jurisdiction", str),
		may("category", listOf(&rule{is: number, whole: true, min: limit(1), max: limit(45)})))), // Nice classes
	may("infringing_elements", listOf(words(`logo brand_name tagline color_scheme layout product_images domain_name
		other`))),
	may("products_offered", listOf(str)),
	may("previous_enforcement", listOf(obj(
		may("date", date), may("result", str),
		may("action", words("cease_desist takedown_notice domain_dispute legal_action other"))))),
)

var v4Fraud = content(
	need("fraud_type", words(`investment romance tech_support lottery advance_fee cryptocurrency shopping charity
		employment government_impersonation other`)),
	may("payment_methods", listOf(words(`credit_card bank_transfer cryptocurrency gift_cards wire_transfer paypal
		western_union moneygram cashapp venmo other`))),
	may("cryptocurrency_addresses", listOf(obj(
		need("currency", words("bitcoin ethereum usdt bnb monero other")), need("address", str)))),
	may("claimed_entity", str),
	may("loss_amount", obj(
		may("currency", like(`^[A-Z]{3}$`)), may("amount", &rule{is: number, min: limit(0)}))),
)

var v4RemoteCompromise = content(
	need("compromise_type", words(`webshell backdoor defacement malicious_redirect seo_spam cryptominer phishing_kit
		malware_host c2_server proxy scanner other`)),
	may("compromise_indicators", listOf(obj(
		need("type", words(`file_path process network_connection user_account scheduled_task registry_key service`)),
		need("value", str), may("description", str)))),
	may("webshell_details", obj(
		may("family", str), may("password_protected", flag),
		may("capabilities", listOf(words(`file_manager command_execution database_access network_scanning
			privilege_escalation persistence other`))))),
	may("affected_cms", words("wordpress joomla drupal magento prestashop opencart custom unknown other")),
	may("vulnerability_exploited", obj(may("cve", exploitedCVE), may("description component", str))),
	may("persistence_mechanisms", listOf(words(`cron_job modified_core_files hidden_admin_account autoload_backdoor
		htaccess_modification database_backdoor other`))),
	may("malicious_activities", listOf(words(`spam_sending ddos_attacks cryptocurrency_mining data_exfiltration
		lateral_movement hosting_malware hosting_phishing scanning other`))),
	may("cleanup_status", words("not_cleaned partially_cleaned cleaned reinfected unknown")),
)

var v4Registration = content(
	need("registration_date", dateTime),
	may("days_since_registration", counted),
	need("suspicious_indicators", listFrom(1, words(`typosquatting homograph_attack brand_keyword suspicious_tld
		bulk_registration privacy_protection suspicious_registrant fast_flux dga_pattern known_bad_nameserver
		suspicious_ssl_cert immediate_activation parked_page other`))),
	may("risk_score", unit),
	may("targeted_brands", listOf(str)),
	may("registrant_details", obj(
		may("email_domain", str), may("country", country), may("privacy_protected", flag),
		may("bulk_registrations", whole))),
	may("related_domains", listUpTo(20, obj(
		may("domain", str),
		may("relationship", words(`same_registrant same_nameserver same_ip same_ssl_cert similar_pattern
			same_campaign`))))),
	may("predicted_usage", listOf(words("phishing malware spam fraud brand_abuse botnet_c2 unknown"))),
	may("ssl_certificate_details", obj(may("issued_immediately free_certificate wildcard", flag))),
	may("activation_behavior", obj(
		may("time_to_activation", whole),
		may("initial_content", words("parked under_construction immediate_malicious cloned_site blank other")))),
)
