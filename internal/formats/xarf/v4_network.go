package xarf

// The types of category connection, messaging, vulnerability and infrastructure.

// fromAddress holds where the source is an address: then its port is demanded, because behind CGNAT the address
// alone names many lines.
var fromAddress = &rule{members: may("source_identifier", &rule{format: asIP})}

// spotted is when something was seen first and last.
var spotted = append(need("first_seen", dateTime), may("last_seen", dateTime)...)

var victim = append(may("destination_ip", ip), may("destination_port", port)...)

// overSMTP holds where the message came by mail, whose sender and port are then demanded.
var overSMTP = &rule{members: may("protocol", words("smtp"))}

var v4Login = &rule{
	all:  []*rule{obj(victim, need("protocol", words("tcp udp icmp sctp")), spotted)},
	when: fromAddress, then: obj(need("source_port", nil)),
}

var v4PortScan = v4Login

var v4DDoS = &rule{
	all: []*rule{obj(
		may("evidence_source", words("firewall_logs ids_detection flow_analysis traffic_monitoring honeypot")),
		victim,
		need("protocol", words("tcp udp icmp sctp")),
		may("attack_vector", str),
		may("peak_pps peak_bps duration_seconds", positive),
		may("amplification_factor", &rule{is: number, min: limit(1)}),
		spotted,
		may("threshold_exceeded", dateTime),
		may("mitigation_applied", flag),
		may("service_impact", words("none degraded unavailable")),
	)},
	when: fromAddress, then: obj(need("source_port", nil)),
}

var v4InfectedHost = obj(
	victim,
	need("protocol", words("tcp udp")),
	need("bot_type", words(`search_engine ai_agent monitoring seo_analyzer link_checker feed_reader social_media
		advertising malicious unknown`)),
	may("bot_name user_agent", str),
	may("behavior_pattern", words(`legitimate_crawling aggressive_crawling api_abuse form_submission comment_spam
		account_creation content_harvesting vulnerability_probing mixed`)),
	may("request_rate", num),
	may("total_requests", positive),
	may("respects_robots_txt follows_crawl_delay javascript_execution accepts_cookies", flag),
	may("api_endpoints_accessed", listOf(str)),
	may("verification_status", words("verified unverified spoofed unknown")),
	spotted,
)

var v4Reconnaissance = obj(
	victim,
	need("protocol", words("tcp udp")),
	need("probed_resources", listOf(str)),
	may("resource_categories", listOf(words(`environment_files version_control configuration_files backup_files
		admin_panels database_files log_files credential_files api_endpoints debug_endpoints other`))),
	may("http_methods", listOf(words("GET POST HEAD OPTIONS PUT DELETE TRACE CONNECT"))),
	may("response_codes", listOf(whole)),
	may("successful_probes", listOf(str)),
	may("user_agent", str),
	spotted,
	may("total_probes", positive),
	may("automated_tool", flag),
)

var v4Scraping = obj(
	victim,
	need("protocol", words("tcp udp")),
	may("scraping_pattern", words(`sequential random targeted sitemap_following api_harvesting deep_crawling
		breadth_first depth_first`)),
	may("target_content", words(`product_data pricing_information user_profiles contact_information news_articles
		images documents api_data search_results general_content other`)),
	may("user_agent bot_signature", str),
	may("request_rate", num),
	need("total_requests", positive),
	may("unique_urls", positive),
	may("data_volume session_duration concurrent_connections", whole),
	may("respects_robots_txt", flag),
	spotted,
)

var v4SQLInjection = obj(
	victim,
	need("protocol", words("tcp udp")),
	may("http_method", words("GET POST PUT DELETE PATCH HEAD OPTIONS")),
	may("target_url", uri),
	may("injection_point", words("query_parameter post_body cookie header path json_parameter")),
	may("payload_sample", upTo(1000)),
	may("attack_technique", words(`union_based error_based boolean_blind time_blind stacked_queries out_of_band
		second_order other`)),
	spotted,
	may("attempts_count", positive),
)

var v4VulnerabilityScan = obj(
	may("destination_ip", ip),
	need("scan_type", words(`port_scan vulnerability_scan version_detection os_fingerprinting service_enumeration
		web_vuln_scan directory_brute_force mixed`)),
	may("scanner_signature user_agent", str),
	may("targeted_ports", listOf(port)),
	may("targeted_services vulnerabilities_probed", listOf(str)),
	may("scan_rate", num),
	need("protocol", words("tcp udp icmp mixed")),
	spotted,
	may("total_requests", positive),
)

var v4Spam = &rule{
	all: []*rule{obj(
		may("evidence_source", words("spamtrap user_complaint automated_filter honeypot content_analysis reputation_feed")),
		need("protocol", words("smtp sms whatsapp telegram signal chat social_media push_notification other")),
		may("smtp_from smtp_to", email),
		may("subject", upTo500),
		may("sender_name message_id user_agent", upTo200),
		may("recipient_count", positive),
		may("language", like(`^[a-z]{2}(-[A-Z]{2})?$`)),
		may("spam_indicators", sealed(
			may("suspicious_links", listOf(uri)), may("commercial_content bulk_characteristics", flag))),
	)},
	when: overSMTP, then: obj(need("smtp_from source_port", nil)),
}

var v4Bulk = &rule{
	all: []*rule{obj(
		may("evidence_source", words("user_complaint automated_filter reputation_feed volume_analysis")),
		need("protocol", words("smtp sms whatsapp telegram social_media push_notification other")),
		may("smtp_from", email),
		may("subject", upTo500),
		may("sender_name", upTo200),
		need("recipient_count", &rule{is: number, whole: true, min: limit(100)}),
		may("unsubscribe_provided opt_in_evidence", flag),
		may("bulk_indicators", sealed(may("high_volume template_based commercial_sender", flag))),
	)},
	when: overSMTP, then: obj(need("smtp_from source_port", nil)),
}

var cveID = like(`^CVE-[0-9]{4}-[0-9]+$`)

var v4CVE = obj(
	may("evidence_source", words("vulnerability_scan researcher_analysis automated_discovery penetration_testing")),
	need("service", upTo200),
	may("service_version patch_version", upTo100),
	need("service_port", port),
	need("cve_id", cveID),
	may("cve_ids", &rule{is: list, maxN: 10, unique: true, each: cveID}),
	may("cvss_score", ten),
	may("cvss_vector", like(`^CVSS:3\.[01]/.*`)),
	may("cvss_version", words("2.0 3.0 3.1")),
	may("risk_level", words("info low medium high critical")),
	may("severity", words("informational low medium high critical")),
	may("exploitability", words("theoretical poc_available functional weaponized")),
	may("patch_available", flag),
	may("patch_url vendor_advisory", uri),
	may("disclosure_date", dateTime),
	may("impact_assessment", sealed(may("confidentiality integrity availability", words("none low high")))),
	may("remediation_priority", words("low medium high critical emergency")),
)

var v4Botnet = obj(
	may("malware_family", upTo200),
	may("c2_server", str),
	may("c2_protocol", words("http https tcp udp dns irc p2p custom")),
	may("bot_capabilities", listOf(words(`ddos spam proxy keylogger file_download remote_shell
		cryptocurrency_mining data_theft`))),
	need("compromise_evidence", str),
)
