package xarf

// The types of category copyright.

// work is the protected work and whose it is.
var work = append(may("work_title", upTo500), may("rights_holder", upTo200)...)

var v4Copyright = obj(
	need("infringing_url", uri),
	work,
	may("original_url", uri),
	may("infringement_type", words("direct_copy modified_copy streaming download distribution")),
)

var v4P2P = &rule{
	all: []*rule{obj(
		may("evidence_source", words("automated_crawl manual_monitoring user_report rights_holder watermark_detection")),
		need("p2p_protocol", words("bittorrent edonkey gnutella kademlia other")),
		need("swarm_info", sealed(
			may("info_hash", sha1Hex),
			may("magnet_uri", like(`^magnet:\?xt=urn:`)),
			may("torrent_name", upTo500),
			may("file_count", positive),
			may("total_size", counted))),
		may("peer_info", sealed(
			may("peer_id client_version", upTo100), may("upload_amount download_amount", counted))),
		work,
		may("work_category", words("movie tv_show music software ebook audiobook game other")),
		may("release_date", date),
		may("detection_method", words("automated_crawl fingerprinting metadata_match manual_verification")),
	)},
	oneOf: []*rule{
		{members: may("swarm_info", obj(need("info_hash", nil)))},
		{members: may("swarm_info", obj(need("magnet_uri", nil)))},
	},
	say: "needs swarm_info.info_hash or swarm_info.magnet_uri",
}

var v4Cyberlocker = obj(
	may("evidence_source", words("automated_crawl manual_discovery user_report rights_holder search_engine")),
	need("infringing_url", uri),
	need("hosting_service", upTo200),
	may("file_info", sealed(
		may("filename", upTo500), may("file_size download_count", counted),
		may("file_hash", like(`^(md5|sha1|sha256):[a-fA-F0-9]+$`)), may("upload_date", dateTime))),
	may("uploader_info", sealed(
		may("username", upTo200), may("user_id", upTo100),
		may("account_type", words("free premium business unknown")))),
	work,
	may("work_category", words("movie tv_show music software ebook audiobook game document other")),
	may("access_method", words("direct_link password_protected premium_only time_limited captcha_protected")),
	may("takedown_info", sealed(
		may("previous_requests", counted), may("service_response_time", str), may("automated_removal", flag))),
)

var v4LinkSite = obj(
	may("evidence_source", words("automated_crawl manual_monitoring user_report rights_holder search_monitoring")),
	need("infringing_url", uri),
	need("site_name", upTo200),
	may("site_category", words(`torrent_index direct_download_links streaming_links usenet_index search_engine
		forum_links other`)),
	may("link_info", sealed(
		may("page_title", upTo500), may("posting_date", dateTime), may("uploader", upTo200),
		may("download_count comments_count", counted), may("link_count", positive))),
	may("linked_content", listUpTo(50, sealed(
		need("target_url", uri),
		need("link_type", words("torrent_file magnet_link direct_download streaming_link usenet_nzb other")),
		may("hosting_service", upTo200), may("file_size", counted)))),
	work,
	may("work_category", words("movie tv_show music software ebook audiobook game adult_content other")),
	may("search_terms", listUpTo(10, upTo200)),
	may("site_ranking", sealed(may("alexa_rank", positive), may("popularity_score", ten))),
)

var v4UGC = obj(
	may("evidence_source", words(`automated_detection user_report rights_holder content_id_match fingerprint_match
		manual_review`)),
	need("infringing_url", uri),
	need("platform_name", upTo200),
	may("content_info", sealed(
		may("content_id", upTo200), may("content_title", upTo500), may("content_description", upTo(2000)),
		may("upload_date", dateTime), may("content_duration view_count like_count", counted))),
	may("uploader_info", sealed(
		may("username", upTo200), may("user_id", upTo100), may("account_verified", flag),
		may("subscriber_count", counted), may("account_creation_date", dateTime))),
	work,
	may("work_category", words(`movie tv_show music music_video audiobook podcast live_performance sports_event
		documentary other`)),
	may("infringement_type", words(`full_work substantial_portion compilation remix_unauthorized background_music
		clip_mashup`)),
	may("match_details", sealed(
		may("match_confidence", unit), may("match_duration", counted), may("match_percentage", hundred),
		may("reference_id", upTo200))),
	may("monetization_info", sealed(may("monetized ad_revenue premium_content", flag))),
)

var v4Usenet = obj(
	may("evidence_source", words(`automated_monitoring newsgroup_crawl user_report rights_holder
		nzb_index_monitoring`)),
	need("newsgroup", upTo200),
	need("message_info", sealed(
		need("message_id", upTo500), may("subject", upTo500), may("from_header", upTo200),
		may("posting_date", dateTime), may("part_number total_parts", positive), may("file_size", counted))),
	may("nzb_info", sealed(
		may("nzb_name", upTo500), may("nzb_url", uri), may("indexer_site", upTo200),
		may("completion_percentage", hundred))),
	may("server_info", sealed(may("nntp_server server_group", upTo200), may("retention_days", positive))),
	work,
	may("work_category", words("movie tv_show music software ebook audiobook magazine game adult_content other")),
	may("encoding_info", sealed(
		may("encoding_format", words("yenc uuencode base64 other")), may("par2_recovery rar_compression", flag))),
	may("detection_method", words("subject_line_match header_analysis content_sampling nzb_metadata")),
)
