package logline

// The table of lines that show an attack, one line a pattern: what it is, the service that wrote it, the programs
// under whose name syslog has it (a regular expression; "" where any program, or none, may stand there), a word that
// the line must hold, and the message from its beginning. In the message
//
//	ADDR   is the attacker's address, HOST his address or name, PORT his port
//	TADDR  is the address attacked, TPORT its port
//	TEXT   is what the attacker may have chosen: user names, paths, names that he gave himself
//
// A pattern says where it ends ("$") or has the address before the first TEXT: so the attacker cannot put another
// address in the place of his own. Where TEXT comes before the address, the line must give the same address with the
// shortest and the longest TEXT that fit, or it counts for nothing (Scanner).
type pattern struct {
	kind    kind
	service string // leading tag
	progs   string
	has     string
	expr    string
}

type kind uint8

const (
	bruteForce kind = iota // intrusion-attempts/brute-force
	exploit                // intrusion-attempts/exploit
	scanner                // information-gathering/scanner
	spam                   // abusive-content/spam
	dos                    // availability/dos
	misuse                 // fraud/unauthorised-use-of-resources
)

const (
	sshd     = `sshd(?:-session|-auth)?`
	ftpd     = `(?:proftpd|ftpd)`
	postfix  = `postfix[\w./-]*`
	sendmail = `(?:sm-[\w-]+|sendmail)`
	cyrus    = `(?:cyrus/)?(?:imaps?d?|pop3s?d?|lmtp\w*|nntps?|httpd?|(?:tim)?sieved?)`
	uw       = `i(?:map|pop[23])d`
	dovecot  = `(?:dovecot|(?:imap|pop3|managesieve|submission|sieve|lmtp)-login|auth|auth-worker|dovecot-auth)`
	apache   = `^(?:\[[\w:]*\] )?(?:\[pid [\w: ]+\] )?\[(?:client|remote) ADDR(?::PORT)?\] (?:\[client [0-9a-fA-F.:\[\]]+\] )?(?:AH\d+: )?(?:Digest: )?`
	nginx    = `^\[(?:error|crit|info)\] \d+#\d+: \*\d+ `
	nginxEnd = `, client: ADDR, server: [^,"]*(?:, request: "[^"]*")?(?:, (?:upstream|host|referrer): "[^"]*")*$`
	access   = `^(?:[\w.-]*[A-Za-z_][\w.-]*(?::\d+)? )?ADDR -\s+TEXT\[STAMP\] (?:[\w.:-]+ )?`
	request  = `"(?:GET|POST|HEAD|PUT|OPTIONS|PROPFIND) `
	// botPath begins what bots ask for by name, botFile what they ask for wherever it may be.
	botPath  = `/*(?:(?:typo3|xampp|admin|db|sql|web|tools|mysql)/)*(?i:pma|(?:php-?)?my-?admin|mysqladmin|roundcube|horde|squirrelmail|(?:ext)?mails?\b|mail_|(?:v-?)?webmail|wp-(?:login|signup|admin)|cgi-bin|phpunit|boaform|hnap1|solr/|actuator|owa/|autodiscover)`
	botFile  = `(?i:[^" ]*(?:/\.env|/\.git/|/\.aws/|/\.ssh/|/\.svn/|/\.htpasswd|/etc/passwd|eval-stdin\.php|w00tw00t|/shell\?|/setup\.php|/xmlrpc\.php|/wlwmanifest\.xml|\$\{jndi:|%24%7bjndi|\.\./\.\./|%2e%2e/|\(\)%20%7b))`
	docRoot  = `(?:/var/www(?:/html|/htdocs)?|/srv/(?:http|www)(?:/htdocs)?|/usr/local/[\w./-]+?(?:/htdocs|/data|/html)|/home/[^/ ]+/public_html)`
	exim     = `^(?:\[\d+\] )?(?:\w{6}-\w{6,11}-\w{2,4} )?`
	eximH    = `(?:H=)?(?:[\w.-]+ )?(?:\(TEXT\) )?\[ADDR\](?::PORT)?(?: I=\[[^\]]*\](?::\d+)?)?`
	asterisk = `^(?:NOTICE|SECURITY|WARNING)\[\d+\](?:\[C-[0-9a-f]+\])?:? (?:[\w./-]+:(?: ?\d+)?:? )?(?:in )?(?:[\w./]+: )?`
	pam      = `authentication failure; logname=\S* uid=\S* euid=\S* tty=\S* ruser=TEXT rhost=HOST(?:\s+user=TEXT)?\s*$`
	preauth  = `(?: \[preauth\])?$`
)

//nolint:lll // one line a pattern
var table = []pattern{
	// OpenSSH
	{bruteForce, "ssh", sshd, "PAM: ", `^(?:error: )?PAM: (?:[Aa]uthentication (?:failure|error)|User not known to the underlying authentication module)(?: for TEXT)? from HOST(?: via \S+)?\s*$`},
	{bruteForce, "ssh", sshd, "Failed ", `^Failed (?:password|keyboard-interactive(?:/\w+)?|none|hostbased|gssapi[\w-]*|challenge-response(?:/\w+)?|rhosts-rsa|rsa|bsdauth) for TEXT from HOST port PORT(?: ssh\d)?(?:: .*)?$`},
	{bruteForce, "ssh", sshd, "Failed publickey", `^Failed publickey for (?:invalid|illegal) user TEXT from HOST port PORT(?: ssh\d)?(?:: .*)?$`},
	{bruteForce, "ssh", sshd, "Failed ", `^Failed (?:password|keyboard-interactive(?:/\w+)?|none) for TEXT from HOST(?: ssh\d)?$`},
	{bruteForce, "ssh", sshd, "ROOT LOGIN", `^ROOT LOGIN REFUSED FROM ADDR(?: port PORT)?` + preauth},
	{bruteForce, "ssh", sshd, " user ", `^(?:[Ii]nvalid|[Ii]llegal) user TEXT from HOST(?: port PORT)?(?: on \S+ port \d+)?\s*$`},
	{bruteForce, "ssh", sshd, "not allowed because", `^User TEXT from HOST not allowed because (?:not listed in AllowUsers|listed in DenyUsers|not in any group|a group is listed in DenyGroups|none of user's groups are listed in AllowGroups)` + preauth},
	{bruteForce, "ssh", sshd, "refused connect", `^refused connect from \S+ \(ADDR\)$`},
	{bruteForce, "ssh", sshd, "maximum authentication", `^(?:error: )?maximum authentication attempts exceeded for TEXT from HOST(?: port PORT)?(?: ssh\d)?` + preauth},
	{bruteForce, "ssh", sshd, "Received disconnect", `^(?:error: )?Received disconnect from ADDR(?: port PORT)?: ?3: .*: Auth fail` + preauth},
	{scanner, "ssh", sshd, "Received disconnect", `^(?:error: )?Received disconnect from ADDR(?: port PORT)?: ?14: No supported authentication methods available`},
	{bruteForce, "ssh", sshd, "Disconnecting", `^Disconnecting:? (?:authenticating|invalid) user TEXT ADDR port PORT: (?:Too many authentication failures|Change of username or service not allowed: .*)` + preauth},
	{bruteForce, "ssh", sshd, "Connection ", `^Connection (?:closed|reset) by (?:authenticating|invalid) user TEXT ADDR port PORT` + preauth},
	{scanner, "ssh", sshd, "Connection reset by", `^Connection reset by ADDR port PORT` + preauth},
	{scanner, "ssh", sshd, "identification string", `^Did not receive identification string from HOST(?: port PORT)?(?: on \S+ port \d+)?$`},
	{scanner, "ssh", sshd, "Bad protocol version", `^Bad protocol version identification 'TEXT' from HOST(?: port PORT)?$`},
	{scanner, "ssh", sshd, "banner exchange", `^(?:error: )?banner exchange: Connection from ADDR port PORT: `},
	{scanner, "ssh", sshd, "Unable to negotiate", `^(?:fatal: )?Unable to negotiate with ADDR(?: port PORT)?: no matching `},
	{dos, "ssh", sshd, "MaxStartups", `^drop connection #\d+ from \[ADDR\]:PORT on .* past MaxStartups$`},
	// Dropbear
	{bruteForce, "ssh", "dropbear", "assword attempt", `^[Bb]ad (?:PAM )?password attempt for 'TEXT' from ADDR:PORT$`},
	{bruteForce, "ssh", "dropbear", "nonexistent user", `^[Ll]ogin attempt for nonexistent user (?:'TEXT' )?from ADDR:PORT$`},
	{bruteForce, "ssh", "dropbear", "Exit before auth", `^Exit before auth from <ADDR:PORT>: (?:\(user '.*', \d+ fails\): )?Max auth tries reached - user '`},
	{bruteForce, "ssh", "dropbear", "Exit before auth", `^Exit before auth \(user 'TEXT', \d+ fails\): Max auth tries reached - user 'TEXT' from ADDR:PORT$`},
	// PAM, whichever program asks; OpenSSH is asked again by itself (stories)
	{bruteForce, "login", ``, "pam_", `^(?:Info: )?pam_(?:unix|ldap|sss|krb5|mysql|winbind)(?:\((?P<s>[\w-]+)(?::\w+)?\))?: ` + pam},
	{bruteForce, "login", ``, "(pam_", `^\(pam_\w+\) ` + pam},
	{bruteForce, "proxmox", "pvedaemon|pveproxy|pmgdaemon", "rhost=", `^authentication failure; rhost=ADDR user=TEXT msg=`},
	// Dovecot
	{bruteForce, "imap", dovecot, "rip=", `^(?:(?P<s>imap|pop3|managesieve|submission|sieve|lmtp)-login: )?(?:Info: )?(?:Aborted login|Disconnected|Login aborted|Client has quit the connection|Remote closed connection)[^<>]{0,400} ?\((?:auth failed|tried to use (?:disabled|disallowed) [^()]*auth|proxy dest auth failed)[^()]*\)(?: \([a-z_]+\))?:(?: user=<TEXT>,)?(?: method=[\w-]*,)? rip=ADDR(?:, .*)?$`},
	{scanner, "imap", dovecot, "rip=", `^(?:(?P<s>imap|pop3|managesieve|submission|sieve|lmtp)-login: )?(?:Info: )?(?:Aborted login|Disconnected|Login aborted)[^<>]{0,400} ?\((?:client didn't finish SASL auth|disconnected before auth was ready|disconnected during TLS handshake)[^()]*\)(?: \([a-z_]+\))?:(?: user=<TEXT>,)?(?: method=[\w-]*,)? rip=ADDR(?:, .*)?$`},
	{bruteForce, "imap", dovecot, "auth", `^(?:auth(?:-worker)?(?:\([^)]*\))?: )?(?:Info: )?(?:conn unix:auth-worker \([^)]*\): auth-worker<\d+>: )?[a-z][\w-]*\(TEXT,ADDR(?:,[^,)]*)?\): (?:unknown user|invalid credentials|[Pp]assword mismatch|pam_authenticate\(\) failed: )`},
	{bruteForce, "imap", dovecot, ",", `^(?:Info: )?(?:conn unix:auth-worker \([^)]*\): auth-worker<\d+>: )?(?:pam|sql|ldap|passwd|passwd-file|shadow|static|lua|oauth2|bsdauth)\(TEXT,ADDR(?:,[^,)]*)?\): (?:unknown user|invalid credentials|[Pp]assword mismatch|pam_authenticate\(\) failed: )`},
	{bruteForce, "imap", ``, "auth(", `^(?:\S+ )?auth\(TEXT,ADDR,(?:sasl:[\w-]+)?\)<[^<>]*>: (?:Info: )?[\w-]+: (?:[Pp]assword mismatch|unknown user|invalid credentials)`},
	// Postfix
	{spam, "smtp", postfix, "reject: ", `^(?:\w+: )?(?:milter-)?reject: \w+ from [^\[\s]*\[ADDR\](?::PORT)?: [45]\d\d(?: [45]\.\d{1,3}\.\d{1,3})? ?(?:: |<[^>]*>: )?(?:Helo command rejected|Sender address rejected|Relay access denied|Recipient address rejected: (?:User unknown|undeliverable|Access denied|unverified address)|Client host rejected|(?:Data c|C)ommand rejected|Service unavailable; (?:Client host|client|Helo command|Sender address) )`},
	{spam, "smtp", postfix, "command pipelining", `^improper command pipelining after \S+ from [^\[\s]*\[ADDR\]`},
	{spam, "smtp", postfix, "too many errors", `^too many errors after \S+(?: \(\d+ bytes\))? from [^\[\s]*\[ADDR\]`},
	{bruteForce, "smtp", postfix, "SASL", `^warning: [^\[\s]*\[ADDR\](?::PORT)?: SASL [\w-]+ authentication (?:failed|aborted)(?::?$|: (?:[^CI]|C(?:[^o]|o[^n])|I(?:[^n]|n[^v])))`},
	{bruteForce, "smtp", postfix, "auth=0/", `^disconnect from [^\[\s]*\[ADDR\](?::PORT)?(?: \w+=[\d/]+)*? auth=0/[1-9]\d*(?: |$)`},
	{scanner, "smtp", postfix, "lost connection", `^(?:\w+: )?lost connection after (?:CONNECT|STARTTLS|EHLO|HELO|UNKNOWN) from [^\[\s]*\[ADDR\]`},
	{scanner, "smtp", postfix, "from [", `^(?:PREGREET \d+ after [\d.]+|HANGUP after [\d.]+|COMMAND (?:TIME|COUNT|LENGTH) LIMIT) from \[ADDR\]:PORT`},
	{spam, "smtp", postfix, "DNSBL rank", `^DNSBL rank \d+ for \[ADDR\]:PORT$`},
	{dos, "smtp", postfix, "limit exceeded", `^warning: [A-Z][\w ]+ (?:rate|concurrency) limit exceeded: \d+ from [^\[\s]*\[ADDR\]`},
	// Sendmail
	{bruteForce, "smtp", sendmail, "possible SMTP attack", `^\w+: (?:[^\[\s]+ )?\[ADDR\](?: \(may be forged\))?: possible SMTP attack: command=AUTH`},
	{spam, "smtp", sendmail, "SMTP", `^\w+: (?:[^\[\s]+ )?\[ADDR\](?: \(may be forged\))?: (?:Possible SMTP RCPT flood|possible SMTP attack)`},
	{bruteForce, "smtp", sendmail, "AUTH failure", `^\w+: AUTH failure \([^)]+\): TEXT relay=(?:[^\[\s]+ )?\[ADDR\](?: \(may be forged\))?$`},
	{spam, "smtp", sendmail, "ruleset=check_", `^\w+: ruleset=check_\w+, (?:arg1=TEXT, )?(?:arg2=\S+, )?relay=(?:[^\[\s]+ )?\[ADDR\](?: \(may be forged\))?, (?:reject|discard|quarantine)=`},
	{scanner, "smtp", sendmail, "pre-greeting", `^(?:\w+: )?rejecting commands from (?:[^\[\s]+ )?\[ADDR\](?: \(may be forged\))? due to pre-greeting traffic`},
	{spam, "smtp", sendmail, "did not issue", `^(?:\w+: )?(?:[^\[\s]+ )?\[ADDR\](?: \(may be forged\))?:? did not issue \S+ during connection to`},
	// Exim
	{bruteForce, "smtp", ``, "authenticator failed", exim + `[\w-]+ authenticator failed for ` + eximH + `(?: U=TEXT)?: 5\d\d `},
	{spam, "smtp", ``, "rejected", exim + eximH + `(?: [A-Z]{1,4}=\S*)* (?:F=TEXT )?(?:A=TEXT )?(?:temporarily )?rejected (?:RCPT|EHLO|HELO|MAIL|VRFY|EXPN|AUTH|connection|after DATA|during MIME)`},
	{spam, "smtp", ``, "rejected", exim + `(?:rejected|temporarily rejected) (?:EHLO|HELO|MAIL|VRFY|EXPN|connection) from ` + eximH},
	{scanner, "smtp", ``, "SMTP", exim + `SMTP (?:call|connection) from ` + eximH + `(?: \([^)]*\))? (?:dropped: too many|closed by DROP|lost D=|AUTH command used)`},
	{scanner, "smtp", ``, "synchronization error", exim + `SMTP protocol synchronization error \([^)]*\): rejected (?:connection from|"TEXT") ` + eximH},
	{scanner, "smtp", ``, "SMTP protocol error", exim + `SMTP protocol error in "TEXT" ` + eximH + `(?: [A-Z]{1,4}=\S*)* (?:AUTH command used when not advertised|LOGIN authentication mechanism not supported)`},
	// other mail servers
	{bruteForce, "imap", ``, "LOGIN FAILED", `^LOGIN FAILED, (?:user=TEXT, )?(?:method=\S+, )?ip=\[ADDR\](?:, port=\[PORT\])?$`},
	{spam, "smtp", `courier(?:esmtpd|mta|tcpd)?`, "relay=", `^error,relay=ADDR,.*(?:550 User|535 Authentication failed|517 |5\d\d )`},
	{bruteForce, "imap", cyrus, "badlogin", `^badlogin: [^\[\s]* ?\[ADDR\] \S+ .*(?:SASL\(-\d+\)|authentication failure|user not found|invalid user)`},
	{bruteForce, "imap", uw, "Login ", `^Login (?:failed|disabled|excessive login failures) user=TEXT auth=TEXT host=[^\[\s]* ?\[ADDR\]\s*$`},
	{bruteForce, "imap", uw, "override", `^Failed \S+ override of user=TEXT host=[^\[\s]* ?\[ADDR\]\s*$`},
	{bruteForce, "imap", `perdition[\w.]*`, "failed", `^Auth: ADDR:PORT->TADDR:TPORT .*status="failed: `},
	{bruteForce, "imap", `perdition[\w.]*`, "Fatal", `^Fatal Error reading authentication information from client ADDR:PORT->TADDR:TPORT: `},
	{bruteForce, "pop3", "solid-pop3d", " - ", `^(?:authentication failed|root login not allowed|can't find APOP secret|APOP authentication failed).* - ADDR$`},
	{spam, "smtp", "qmail|rblsmtpd", "rblsmtpd", `^(?:[\d.]+ )?rblsmtpd: ADDR pid \d+ `},
	{spam, "smtp", "qmail|qmail-smtpd", "badiprbl", `^(?:[\d.]+ )?(?:qmail-smtpd: )?421 badiprbl: ip ADDR rbl: `},
	{spam, "smtp", "rblsmtpd", "blocked", `^\S+ blocked ADDR \S+ `},
	{bruteForce, "smtp", ``, `ac="U"`, `^<co ts="STAMP" (?:\w+="[^"]*" )*ac="U" tr="TCP\|TADDR\|TPORT\|ADDR\|PORT" ap="[^"]*" mi="(?:Bad password|User not found|Authentication failed|No such user)`},
	{bruteForce, "imap", ``, "FAILED LOGIN for", `^(?:\w+ )?\[\w+\] \[\w+\] FAILED LOGIN for TEXT \[ADDR\](?: ?\(forwarded for \[[^\]]*\]\))? to `},
	{bruteForce, "imap", ``, "Login", `^(?:errors: )?(?:<\w+> )?(?:IMAP Error: )?Login failed for TEXT (?:against \S+ )?from ADDR(?: ?\(X-[\w-]+: [^)]*\))?(?:\. .*|, .*)?$`},
	{bruteForce, "imap", ``, "Failed login", `^(?:errors: )?(?:<\w+> )?(?:Failed|FAILED) login for TEXT from ADDR(?: ?\(X-[\w-]+: [^)]*\))? in session `},
	{bruteForce, "imap", ``, "LOGIN_ERROR", `^\[LOGIN_ERROR\] TEXT from ADDR: Unknown user or password incorrect\.$`},
	{bruteForce, "imap", ``, "login error", `^- \[\d+\] \(ADDR\) .* - login error - `},
	{bruteForce, "imap", ``, "might not have worked", `^(?:sogod ?\[\d+\]: )?SOGoRootPage Login from 'ADDR(?:, [^']*)?' for user '.*' might not have worked`},
	{bruteForce, "smtp", ``, "internet password", `^(?:SMTP Server|smtp|IMAP Server|imap|POP3 Server|http)[\w ]*: TEXT\[ADDR\] authentication failure using internet password`},
	{spam, "smtp", ``, "SSL negotiation", `^(?:m\d-\d+-\d+ )?(?:\[[\w-]+\] )+ADDR SSL negotiation with client failed`},
	{bruteForce, "smtp", ``, "AUTH errors", `^Blocking ADDR - too much AUTH errors`},
	{bruteForce, "smtp", ``, "authentication errors", `^(?:m\d-\d+-\d+ )?(?:\[[\w-]+\] )+ADDR max sender authentication errors `},
	{bruteForce, "smtp", ``, "SMTP Error", `^(?:m\d-\d+-\d+ )?(?:\[[\w-]+\] )+ADDR \[SMTP Error\] 535 `},
	{spam, "smtp", ``, "relay attempt", `^(?:m\d-\d+-\d+ )?(?:\[[\w-]+\] )+ADDR <[^>]*> .*relay attempt blocked for`},
	{spam, "smtp", ``, "Spam attack", `^SMTP Spam attack detected from ADDR,`},
	{bruteForce, "smtp", ``, "Failed ", `^Failed (?P<s>SMTP|IMAP|POP3|HTTP/WebDAV|WebMail|\w+) login from ADDR(?: with SASL method \w+)?\.?$`},
	{spam, "smtp", ``, "IP address", `^(?:Relay attempt from|Attempt to deliver to unknown recipient TEXT, from TEXT,|SMTP: User TEXT doesn't exist\. Attempt from|Client with) IP address ADDR(?:$|[ .,])`},
	{spam, "smtp", ``, "DNS blacklist", `^IP address ADDR found in DNS blacklist`},
	{spam, "smtp", ``, "Message from IP", `^Message from IP address ADDR, sender `},
	{bruteForce, "http", ``, "Administration login", `^\S+ login into \S.* from ADDR failed: `},
	// Apache
	{bruteForce, "http", ``, "not found", apache + `user TEXT not found(?:: .*)?$`},
	{bruteForce, "http", ``, "authentication failure for", apache + `user TEXT: authentication failure for "`},
	{bruteForce, "http", ``, "authorization failure for", apache + `user TEXT: authorization failure for "`},
	{bruteForce, "http", ``, "authentication scheme", apache + `client used wrong authentication scheme: `},
	{bruteForce, "http", ``, "Authorization of user", apache + `Authorization of user .* to access .* failed, reason: `},
	{bruteForce, "http", ``, "password mismatch", apache + `user TEXT: password mismatch: `},
	{bruteForce, "http", ``, "invalid qop", apache + "invalid qop `.*' received: "},
	{bruteForce, "http", ``, "invalid nonce", apache + `invalid nonce \S* received - (?:length is not |user attempted time travel)`},
	{bruteForce, "http", ``, "realm mismatch", apache + "realm mismatch - got `"},
	{bruteForce, "http", ``, "unknown algorithm", apache + "unknown algorithm `"},
	{exploit, "http", ``, "client denied", `^(?:\[(?:\w+_\w+|authz|access|core)?:?error\] )(?:\[pid [\w: ]+\] )?\[(?:client|remote) ADDR(?::PORT)?\] (?:AH\d+: )?client denied by server configuration: `},
	{scanner, "http", ``, "SNI", apache + `(?:Hostname \S+ provided via SNI(?:, but no hostname provided in HTTP request| and hostname \S+ provided via HTTP)|No hostname was provided via SNI)`},
	{scanner, "http", ``, "File does not exist", apache + `File does not exist: ` + docRoot + botPath},
	{scanner, "http", ``, "File does not exist", apache + `File does not exist: [^ \[]*/~`},
	{scanner, "http", ``, "unable to stat", apache + `script (?:not found or unable to stat: ')?` + `'?` + docRoot + botPath},
	{scanner, "http", ``, "unable to stat", apache + `script not found or unable to stat: ` + docRoot + botPath},
	{scanner, "http", ``, "unable to stat", apache + `script '[^' ]*(?:\.asp|\.exe|\.pl|cgi-bin/[^' ]*)' not found or unable to stat`},
	{exploit, "http", ``, "function definition", apache + `/bin/(?:ba)?sh: (?:warning: HTTP_\w+: ignoring function definition attempt|error importing function definition for)`},
	{exploit, "http", ``, "ModSecurity", apache + `ModSecurity: .*Access denied with code [45]\d\d`},
	{exploit, "http", ``, " in request", apache + `Invalid (?:method|URI) in request`},
	{exploit, "http", ``, "request failed", apache + `request failed: (?:URI too long|erroneous characters after protocol string|invalid characters in URI)`},
	{exploit, "http", ``, "invalid URI path", apache + `(?:AH\d+: )?invalid URI path`},
	{bruteForce, "http", ``, " [", apache + `(?:WAR|ERR) \[(?:Login denied for user "|Could not retrieve user .* details\])`},
	// web server access logs
	{scanner, "http", ``, `" 400 `, access + `"TEXT" 400 \d`},
	{bruteForce, "http", ``, `" 401 `, access + `"[A-Z]+ TEXT" 401 \d`},
	{bruteForce, "http", ``, `"POST `, access + `"POST /+(?:[\w./-]*/)?(?:xmlrpc|wp-login)\.php`},
	{exploit, "http", ``, `"`, access + request + botFile},
	{scanner, "http", ``, `" 40`, access + request + botPath + `TEXT" 40[34] `},
	{exploit, "http", ``, "=http", access + `"(?:GET|POST) [^" ]*\?[^" ]*=(?:https?|ftp)://[^" ]*\? HTTP/`},
	{scanner, "http", ``, `"`, access + `"TEXT" \d{3} \S+ "TEXT" "(?i:[^"]*(?:TrackBack/|EmailCollector|EmailSiphon|WebEMailExtrac|sqlmap|nikto|masscan|zgrab|Nmap Scripting|ZmEu|Morfeus|dirbuster|gobuster|wpscan|nuclei|Nessus|acunetix|w3af|Havij|muieblackcat|CensysInspect|fimap))`},
	// nginx
	{bruteForce, "http", ``, "client: ", nginx + `user "TEXT"(?:: password mismatch|:? was not found in "[^"]*")` + nginxEnd},
	{bruteForce, "http", ``, "client: ", nginx + `PAM: user 'TEXT' - not authenticated: [^,"]*` + nginxEnd},
	{scanner, "http", ``, "client: ", nginx + `SSL_(?:do_handshake|read)\(\) failed \(SSL: [^,"]*\) while [^,"]*` + nginxEnd},
	{scanner, "http", ``, "client: ", nginx + `(?:open\(\) )?"[^"]*" (?:failed|is not found) \(\d+: [^,"]*\), client: ADDR, server: [^,"]*, request: "[A-Z]+ ` + botPath},
	{dos, "http", ``, "client: ", nginx + `limiting (?:requests|connections)(?:, excess: [\d.]+)? by zone "[^"]*"` + nginxEnd},
	{scanner, "http", ``, "client: ", nginx + `(?:access forbidden by rule|directory index of "[^"]*" is forbidden)` + nginxEnd},
	// other web servers, proxies and applications
	{bruteForce, "http", ``, "_auth.c", `^\(?(?:http|mod)_auth\.c\.\d+\) (?:password doesn't match|digest: auth failed|get_password failed)TEXT,? IP: ADDR\s*$`},
	{bruteForce, "http", "haproxy", " 401 ", `^ADDR:PORT \[[^\]]+\] \S+ \S+ [-+\d/]+ 401 `},
	{misuse, "proxy", ``, "PROXY.", `^PROXY\.\d+ 0*[1-9]\d* \S+ ADDR:PORT TADDR:`},
	{misuse, "proxy", ``, "/40", `^\d+ ADDR (?:TCP_DENIED(?:_REPLY)?/\d+|NONE(?:_NONE)?/40[05]) `},
	{misuse, "proxy", "danted|sockd", "block(", `^info: block\(\d+\): tcp/accept \]: (?P<a>\d+(?:\.\d+){3})\.PORT TADDR\.TPORT: error after reading \d+ bytes? in \d+ seconds?: (?:could not access user|system password authentication failed|pam_authenticate\(\) for user)`},
	{exploit, "http", ``, "(attacker '", `^(?:\(mod_fastcgi\.c\.\d+\) FastCGI-stderr: )?ALERT - TEXT \(attacker 'ADDR', file '[^']*'(?:, line \d+)?\)\s*$`},
	{bruteForce, "http", ``, "|user|", `^https?://[^|\s]+\|\d{10}\|user\|ADDR\|.*\|\|?Login attempt failed (?:for|from) [^|]*$`},
	{bruteForce, "http", "Froxlor", "Login Action", `^\[Login Action ADDR\] (?:Unknown user|User) '`},
	{bruteForce, "http", "froxlor", "login", `^froxlor\.WARNING: (?:User tried to login with wrong password|Unknown user tried to login)\. \{"source":"login","action":"\w*","user":"ADDR"\}`},
	{bruteForce, "http", ``, "Failed login attempt", `^(?:\[(?:WRN|Warning)\] |\[Bit[\w.]+\] )Failed login attempt(?:, 2FA invalid)?\. ADDR$`},
	{bruteForce, "http", ``, "Username or password", `^\[vaultwarden::[\w:]+\]\[\w+\] Username or password is incorrect\. Try again\. IP: ADDR\. Username: `},
	{bruteForce, "http", ``, "Invalid admin token", `^\[vaultwarden::[\w:]+\]\[\w+\] Invalid admin token[.!] IP: ADDR(?:\.|$)`},
	{bruteForce, "http", ``, "Invalid TOTP code", `^\[vaultwarden::[\w:]+\]\[\w+\] Invalid TOTP code! Server time: [\d: -]+ UTC IP: ADDR$`},
	{bruteForce, "http", ``, "Authentication failed for", `^\|-?\d+\|\d+\|\d+\|\[\w+\] \[ADDR\] Authentication failed for '`},
	{bruteForce, "http", ``, "remote_addr=", `^lvl=\w+ msg="(?:Invalid username or password|[Uu]nauthorized)" TEXT remote_addr=ADDR$`},
	{bruteForce, "http", ``, "remote_addr=", `^logger=context TEXTt=STAMP level=\w+ msg="(?:Invalid username or password|[Uu]nauthorized)" TEXTremote_addr=ADDR(?: .*)?$`},
	{bruteForce, "http", ``, "LOGIN FAILED for user", `^LOGIN FAILED for user: "TEXT" from IP: ADDR$`},
	{bruteForce, "http", ``, "Authentication attempt", `^(?:WARNING: |\[[^\]]+\] WARN  ?[\w.]+ - )Authentication attempt from \[?ADDR(?:, [\d., ]+)?\]? for user "TEXT" failed\.$`},
	{bruteForce, "http", ``, "Tinebase", `^\w+ \w+ -- \w+ -- - STAMP WARN \(\d+\): Tinebase_Controller::login::\d+ Login with username TEXT from ADDR failed \(-\d+\)!$`},
	{bruteForce, "http", "webmin|usermin", "login as", `^(?:Invalid|Non-existent) login as TEXT from ADDR\s*$`},
	{bruteForce, "http", "phpMyAdmin", "user denied", `^user denied: TEXT \([\w-]+\) from ADDR\s*$`},
	{bruteForce, "http", ``, "HttpRequest", `^(?:error\s+: )?HttpRequest: access denied -- client ADDR: (?:empty password|wrong password for user|unknown user '[^'])`},
	{bruteForce, "http", ``, "accessing monit", `^error\s+: Warning: Client 'ADDR' supplied (?:unknown user|wrong password for user) '`},
	{bruteForce, "http", ``, "Failed Login:", `^Failed Login: username=TEXT ip=ADDR$`},
	{bruteForce, "http", ``, " - [", `^- (?:NOTEXIST|AUTHERR|NOTALLOWED) - \[ADDR\] `},
	{bruteForce, "http", ``, "failed login attempt", `^'ADDR' \d+ failed login attempts?\.`},
	{bruteForce, "http", ``, "login failure for user", `^(?:system,error,critical:? )?login failure for user TEXT from ADDR via [\w-]+$`},
	{bruteForce, "xmpp", ``, "authentication for", `^\[info\] \S+ ?@ejabberd_c2s:\S+ .*Failed (?:\w+ [\w-]+ )?authentication for TEXT from (?:IP )?ADDR(?:: .*)?$`},
	// FTP
	{bruteForce, "ftp", ftpd, "]", `^\S+ \([^\[\]\s]*\[ADDR\]\):? (?:- )?(?:USER .*(?:: no such user found| \(Login failed\))|SECURITY VIOLATION: |Maximum login attempts \()`},
	{bruteForce, "ftp", ftpd, "repeated login", `^repeated login failures from ADDR \(`},
	{bruteForce, "ftp", "wu-ftpd", "failed login", `^failed login from \S+ \[ADDR\]`},
	{bruteForce, "ftp", "pure-ftpd", "[WARNING]", `^\([^@)]*@HOST\) \[WARNING\] .*\[[^\]]*\]$`},
	{bruteForce, "ftp", ``, "FAIL LOGIN", `^\[pid \d+\] (?:\[[^\]]*\] )?FAIL LOGIN: Client "ADDR"`},
	// databases
	{bruteForce, "mysql", ``, "Access denied", `^(?:\d+ )?\[(?:Warning|Note|ERROR)\] (?:\[MY-\d+\] )?(?:\[Server\] )?Access denied for user 'TEXT'@'HOST'(?: \(using password: (?:YES|NO)\))?$`},
	{bruteForce, "mssql", ``, "Login failed for user", `^Logon +Login failed for user 'TEXT'\..* \[CLIENT: ADDR\]\s*$`},
	// telephony and games
	{bruteForce, "sip", ``, "failed for '", asterisk + `(?:Registration|Request(?: '\w+')?|Call) from 'TEXT' failed for 'ADDR(?::PORT)?'(?: \(callid: [^)]*\))? - `},
	{bruteForce, "sip", ``, "rejected because", asterisk + `Call from 'TEXT' \(ADDR:PORT\) to extension 'TEXT' rejected because extension not found`},
	{bruteForce, "sip", ``, "failed", asterisk + `(?:Host )?ADDR (?:failed to authenticate as|failed MD5 authentication for) '`},
	{bruteForce, "sip", ``, "No registration for peer", asterisk + `No registration for peer 'TEXT' \(from ADDR\)$`},
	{bruteForce, "sip", ``, "hacking attempt", asterisk + `hacking attempt detected 'ADDR'`},
	{bruteForce, "sip", ``, "SecurityEvent", asterisk + `SecurityEvent="(?:FailedACL|InvalidAccountID|ChallengeResponseFailed|InvalidPassword|InvalidTransport|UnexpectedAddress)",TEXT,RemoteAddress="IPV[46]/(?:UDP|TCP|TLS|WS|WSS)/ADDR/PORT"`},
	{bruteForce, "sip", ``, "sofia_reg.c", `^(?:[\d.]+% )?\[WARNING\] sofia_reg\.c:\d+ (?:SIP auth (?:failure|challenge) \(\w+\) on sofia profile '[^']*' for \[TEXT\] from ip|Can't find user \[TEXT\] from) ADDR$`},
	{bruteForce, "mumble", ``, "Rejected connection", `^\d+ => <\d+:TEXT\(-?\d+\)> Rejected connection from ADDR:PORT: (?:Invalid server password|Wrong certificate or password for existing user)$`},
	{bruteForce, "game", ``, "Bad Rcon", `^Bad Rcon: "TEXT" from "ADDR:PORT"$`},
	// DNS
	{scanner, "dns", ``, "denied", `^(?:[\w-]+: )*client (?:@0x[0-9a-f]+ )?ADDR#PORT(?: \([^)\s]*\))?: (?:view [\w-]+: )?(?:query|query \(cache\)|zone transfer|update|notify|transfer of) '[^']*' denied`},
	{scanner, "dns", ``, "bad zone transfer", `^(?:[\w-]+: )*client (?:@0x[0-9a-f]+ )?ADDR#PORT(?: \([^)\s]*\))?: (?:view [\w-]+: )?bad zone transfer request: '`},
	{dos, "dns", ``, "ratelimit block", `^(?:nsd\[\d+\]: )?(?:info: )?ratelimit block \S+ type \S+ target \S+ query ADDR \S+`},
	{scanner, "dns", ``, "refused", `^(?:nsd\[\d+\]: )?(?:info: )?axfr for \S+ from (?:client )?ADDR(?:@\d+)? refused`},
	// remote access, VPN, everything else
	{bruteForce, "rdp", ``, "AUTHFAIL", `^(?:\[INFO ?\] )?AUTHFAIL: user=TEXT ip=ADDR time=\d+\s*$`},
	{bruteForce, "vnc", "screensharingd", "FAILED", `^Authentication: FAILED :: User Name: TEXT :: Viewer Address: ADDR :: Type: \S+$`},
	{bruteForce, "vpn", `(?:ovpn|openvpn)[\w@-]*`, ":", `^ADDR:PORT (?:VERIFY ERROR: |TLS Error: TLS handshake failed|TLS Auth Error: |SIGUSR1\[soft,connection-reset\] received)`},
	{bruteForce, "vpn", `(?:ovpn|openvpn)[\w@-]*`, "TLS Error", `^TLS Error: (?:cannot locate HMAC in|incoming packet authentication failed|unroutable control packet).* from \[AF_INET6?\]ADDR:PORT`},
	{bruteForce, "vpn", ``, "User authentication failed", `^(?:[\w.-]+ +)?(?:\[[^\]]*\] \([\d: .-]+\) <SECURITY_LOG>: )?Connection "CID-\d+": User authentication failed\. The user name that has been provided was "TEXT", from ADDR\.$`},
	{scanner, "tls", ``, "SSL_accept", `^LOG\d\[[\w: ]+\]: SSL_accept from ADDR:PORT : `},
	{bruteForce, "irc", ``, "failed to login", `^\[[^\]]*\] failed to login from ADDR(?::PORT)?$`},
	{scanner, "nrpe", "nrpe", "not allowed", `^Host ADDR is not allowed to talk to us!`},
	{scanner, "xinetd", "xinetd", "FAIL", `^FAIL: [\w-]+ (?:address|libwrap|\w+_limit) from=ADDR$`},
	{bruteForce, "fail2ban", ``, "Ban ", `^(?:fail2ban\.actions *(?:\[\d+\])?: )?(?:(?:NOTICE|WARNING) +)?\[(?P<j>[\w-]+)\] Ban ADDR\s*$`},
	{scanner, "portscan", "portsentry", "attackalert", `^attackalert: (?:Connect|\S+ scan|\S+ Normal scan|UDP scan|Unknown Type[^:]*) from host: [^/\s]*/ADDR to (?P<proto>TCP|UDP) port: TPORT`},
	{scanner, "portscan", "scanlogd", " to ", `^ADDR(?::PORT)? to TADDR ports TPORT`},
	{bruteForce, "ssh", ``, "USER_", `^type=USER_(?:ERR|LOGIN|AUTH) msg=audit\(STAMP:\d+\): TEXTexe="/usr/s?bin/sshd" hostname=\S+ addr=ADDR terminal=ssh res=failed'$`},
	{scanner, "portscan", ``, "SRC=", `^(?:\[ *\d+\.\d+\] )?[^=]{0,120}?(?:IN=\S* OUT=\S* (?:PHYS\w+=\S* )*(?:MAC=\S* )?)?SRC=ADDR DST=TADDR (?:[A-Z]+(?:=\S*)? )*?PROTO=(?P<proto>\w+)(?: SPT=PORT DPT=TPORT)?`},
}

// complaints are lines that show nothing by themselves: in a complaint about an address they are what it did.
//
//nolint:lll // one line a pattern
var complaints = []pattern{
	{exploit, "http", ``, `"`, access + `"TEXT" \d{3} `},
	{scanner, "portscan", ``, "SRC=", `^.{0,200}?\bSRC=ADDR DST=TADDR .{0,300}?PROTO=(?P<proto>\w+)(?: SPT=PORT DPT=TPORT)?`},
	{bruteForce, "ssh", sshd, "pam_", `^pam_\w+\(sshd:auth\): ` + pam},
	{bruteForce, "ssh", sshd, "Connection closed", `^Connection (?:closed|reset) by ADDR(?: port PORT)?` + preauth},
	{bruteForce, "ssh", sshd, "Disconnected from", `^Disconnected from (?:(?:authenticating|invalid) user TEXT )?ADDR(?: port PORT)?` + preauth},
	{bruteForce, "ssh", sshd, "Failed publickey", `^Failed publickey for TEXT from ADDR port PORT(?: ssh\d)?(?:: .*)?$`},
	{bruteForce, "imap", dovecot, "rip=", `^(?:(?P<s>imap|pop3|managesieve|submission|sieve|lmtp)-login: )?(?:Info: )?(?:Aborted login|Disconnected|Login aborted)[^<>]{0,400}\(no auth attempts[^()]*\)(?: \([a-z_]+\))?:(?: user=<TEXT>,)?(?: method=[\w-]*,)? rip=ADDR(?:, .*)?$`},
}

// A story is told in several lines that one number joins: a process, a connection. Lines that name the address are
// noted; a failure without an address is the noted one's, or is held against the address that ends the connection.
type story struct {
	act   act
	progs string
	has   string
	expr  string // group k is the number, else it is the process's
	about int    // index into storyKinds
}

type act uint8

const (
	note   act = iota // ADDR is at the other end
	fail              // a failure; an event when the address is known
	doubt             // a failure of ADDR for user u unless he gets in under this name
	end               // ADDR has gone: an event when there was a failure before
	accept            // ADDR got in as user u
)

type storyKind struct {
	kind    kind
	service string
}

var storyKinds = []storyKind{{bruteForce, "ssh"}, {scanner, "ssh"}, {bruteForce, "mongodb"}, {bruteForce, "ldap"}}

//nolint:lll // one line a pattern
var stories = []story{
	{note, sshd, "Connection from", `^Connection from ADDR(?: port PORT)?(?: on \S+ port \d+.*)?$`, 0},
	{note, sshd, "Failed publickey", `^Failed publickey for TEXT from ADDR port PORT(?: ssh\d)?(?:: .*)?$`, 0},
	{note, sshd, "Remote: ", `^SSH: Server;Ltype: \w+;Remote: ADDR-PORT;`, 0},
	{fail, sshd, "account is locked", `^User \S+ not allowed because account is locked`, 0},
	{fail, sshd, "Disconnecting", `^(?:error: )?Disconnecting: Too many authentication failures`, 0},
	{fail, sshd, "fatal: ", `^fatal: (?:Read from socket failed: Connection reset by peer|Unable to negotiate a key exchange method|no matching \w+ found)`, 1},
	{doubt, sshd, "pam_", `^pam_\w+\(sshd:auth\): authentication failure; logname=\S* uid=\S* euid=\S* tty=\S* ruser=(?P<v>\S*) rhost=ADDR(?:\s+user=(?P<u>\S*))?`, 0},
	{end, sshd, "Connection closed", `^Connection closed by ADDR(?: port PORT)?(?: \[preauth\])$`, 0},
	{end, sshd, "Received disconnect", `^(?:error: )?Received disconnect from ADDR(?: port PORT)?: ?11: .*(?: \[preauth\])$`, 0},
	{accept, sshd, "Accepted ", `^Accepted [\w/-]+ for (?P<u>\S+) from ADDR port PORT`, 0},
	{fail, ``, "Failed to authenticate", `^\[(?P<k>conn\d+)\]\s+Failed to authenticate `, 2},
	{end, ``, "end connection", `^\[(?P<k>conn\d+)\] end connection ADDR:PORT `, 2},
	{note, "slapd", "ACCEPT", `^(?P<k>conn=\d+) fd=\d+ ACCEPT from IP=ADDR:PORT `, 3},
	{fail, "slapd", "err=49", `^(?P<k>conn=\d+) op=\d+ RESULT tag=\d+ err=49 `, 3},
}
