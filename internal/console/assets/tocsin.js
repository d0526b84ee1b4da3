// What pages can do beside being read: renew themselves when something changes, send forms without leaving, and be worked
// by keys. Without this file every page works all the same.
"use strict";

const html = window.trustedTypes
	? window.trustedTypes.createPolicy("tocsin", { createHTML: (text) => text }) // pages of this node only
	: { createHTML: (text) => text };

const parse = (text) => new DOMParser().parseFromString(html.createHTML(text), "text/html");

// fetchPage asks for a page of this node, and never for another's.
async function fetchPage(url, options) {
	const at = new URL(url, location.href);
	if (at.origin !== location.origin) throw new Error("another site");
	const answer = await fetch(at, { credentials: "same-origin", ...options });
	return { url: answer.url, redirected: answer.redirected, page: parse(await answer.text()) };
}

// renew exchanges the parts of the page that have an id and data-live for those of another reading of it. A part in which
// somebody types is left alone.
function renew(page, topics) {
	for (const old of document.querySelectorAll("[data-live][id]")) {
		if (topics && !old.dataset.live.split(" ").some((t) => topics.has(t))) continue;
		const now = page.getElementById(old.id);
		if (!now || old.contains(document.activeElement) && document.activeElement.matches("input, textarea, select")) continue;
		if (now.outerHTML !== old.outerHTML) old.replaceWith(document.adoptNode(now));
	}
}

// live listens to what changes, and reads the page again, at most every two seconds.
function live() {
	if (!document.querySelector("[data-live][id]") || !window.EventSource) return;
	const changed = new Set();
	let waiting = false;
	const source = new EventSource("/live");
	const take = (event) => {
		changed.add(event.type);
		if (waiting) return;
		waiting = true;
		setTimeout(async () => {
			waiting = false;
			const topics = new Set(changed);
			changed.clear();
			try {
				renew((await fetchPage(location.href)).page, topics);
			} catch { /* the next change tries again */ }
		}, 2000);
	};
	for (const topic of ["incidents", "reports", "waiting", "questions", "people", "log"]) source.addEventListener(topic, take);
	window.addEventListener("pagehide", () => source.close());
}

// forms with data-partial are sent without leaving the page, of which then only <main> changes.
document.addEventListener("submit", async (event) => {
	const form = event.target;
	if (!form.matches("[data-partial]") || event.defaultPrevented) return;
	event.preventDefault();
	const button = event.submitter;
	const to = button?.getAttribute("formaction") || form.action; // a button may send the form elsewhere
	const body = new URLSearchParams(new FormData(form, button));
	if (button) button.disabled = true;
	form.setAttribute("aria-busy", "true");
	try {
		const get = form.method === "get";
		const got = await fetchPage(get ? `${to}?${body}` : to, get ? {} : { method: "POST", body });
		document.querySelector("main").replaceWith(document.adoptNode(got.page.querySelector("main")));
		document.title = got.page.title;
		if (got.redirected || get) history.pushState(null, "", got.url);
		(document.querySelector("main [role=alert], main [role=status]") || document.querySelector("main")).focus?.();
		begin();
	} catch {
		form.removeAttribute("data-partial");
		form.requestSubmit(button);
	}
});
// Passkeys: a form with data-passkey asks there what the browser is to be asked, and is then sent with the answer. WebAuthn
// speaks in bytes, JSON in base64url (RFC 4648 section 5).
const bytesOf = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const textOf = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

async function passkey(options) {
	const ask = options.publicKey;
	ask.challenge = bytesOf(ask.challenge);
	for (const one of [...(ask.excludeCredentials || []), ...(ask.allowCredentials || [])]) one.id = bytesOf(one.id);
	if (ask.user) ask.user.id = bytesOf(ask.user.id);
	const got = ask.user ? await navigator.credentials.create({ publicKey: ask }) : await navigator.credentials.get({ publicKey: ask });
	const response = {};
	for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
		if (got.response[name]) response[name] = textOf(got.response[name]);
	}
	if (got.response.getTransports) response.transports = got.response.getTransports();
	return JSON.stringify({
		id: got.id, rawId: textOf(got.rawId), type: got.type, response, clientExtensionResults: got.getClientExtensionResults(),
		authenticatorAttachment: got.authenticatorAttachment || undefined,
	});
}

const refusals = {
	NotAllowedError: "No passkey was given, or it took too long: try again, or choose another way.",
	InvalidStateError: "This device has a passkey for this account already: sign in with it.",
	SecurityError: "Passkeys work under the node's own name only, over https or on localhost: check the address.",
};

document.addEventListener("submit", async (event) => {
	const form = event.target;
	if (!form.matches("[data-passkey]")) return;
	event.preventDefault();
	const button = form.querySelector("button"), says = form.querySelector("[role=alert]");
	button.disabled = true;
	says.textContent = "";
	try {
		const answer = await fetch(form.dataset.passkey, { method: "POST", credentials: "same-origin" });
		const options = await answer.json();
		if (!answer.ok) throw new Error(options.detail);
		form.elements.answer.value = await passkey(options);
		form.submit();
	} catch (fault) {
		says.textContent = refusals[fault.name] || (fault.name === "Error" ? fault.message : "This browser could not ask for a passkey: try again, or choose another way.");
		button.disabled = false;
	}
});

window.addEventListener("popstate", () => location.reload());

// Keys: j and k choose a row of a list, enter opens it, / goes to the search, g and a letter to a page, ? says so.
let goes = false;
const rows = () => [...document.querySelectorAll("[data-list] > tr, [data-list] > li")].filter((row) => row.querySelector("a[href]"));
function choose(step) {
	const all = rows();
	if (!all.length) return;
	const at = all.findIndex((row) => row.classList.contains("chosen"));
	const next = all[Math.min(Math.max(at + step, 0), all.length - 1)];
	for (const row of all) row.classList.toggle("chosen", row === next);
	next.scrollIntoView({ block: "nearest" });
	next.querySelector("a[href]").focus({ preventScroll: true });
}
function help() {
	let box = document.getElementById("keys");
	if (!box) {
		box = document.createElement("dialog");
		box.id = "keys";
		box.setAttribute("aria-labelledby", "keys-title");
		const title = document.createElement("h2");
		title.id = "keys-title";
		title.textContent = "Keys";
		const list = document.createElement("dl");
		list.className = "facts";
		const lines = [["j, k", "the next row, the one before"], ["Enter", "open it"], ["/", "search"], ["?", "these keys"], ["Esc", "close"]];
		for (const a of document.querySelectorAll(".menu a[data-key]")) lines.push([`g ${a.dataset.key}`, a.textContent]);
		for (const [key, what] of lines) {
			const dt = document.createElement("dt");
			const kbd = document.createElement("kbd");
			kbd.textContent = key;
			dt.append(kbd);
			const dd = document.createElement("dd");
			dd.textContent = what;
			list.append(dt, dd);
		}
		const form = document.createElement("form");
		form.method = "dialog";
		const close = document.createElement("button");
		close.textContent = "Close";
		form.append(close);
		box.append(title, list, form);
		document.body.append(box);
	}
	box.showModal();
}
document.addEventListener("keydown", (event) => {
	if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select, [contenteditable]") || document.querySelector("dialog[open]")) return;
	const key = event.key;
	if (goes) {
		goes = false;
		const to = document.querySelector(`.menu a[data-key="${CSS.escape(key)}"]`);
		if (to) {
			event.preventDefault();
			to.click();
		}
		return;
	}
	switch (key) {
	case "j": choose(1); break;
	case "k": choose(-1); break;
	case "g": goes = true; setTimeout(() => { goes = false; }, 1500); break;
	case "/": {
		const field = document.querySelector("[data-search]");
		if (!field) return;
		field.focus();
		field.select?.();
		break;
	}
	case "?": help(); break;
	default: return;
	}
	event.preventDefault();
});

// begin does what a page, or a new part of one, needs: lets all be chosen at once, shows what needs a
// script, offers the browser's time zone.
function begin() {
	for (const all of document.querySelectorAll("input[data-all]")) {
		all.hidden = false;
		all.onchange = () => {
			for (const one of document.querySelectorAll(`input[name="${CSS.escape(all.dataset.all)}"]`)) one.checked = all.checked;
		};
	}
	if (window.PublicKeyCredential) for (const part of document.querySelectorAll("[data-script]")) part.hidden = false;
	for (const field of document.querySelectorAll("input[data-zone]")) {
		const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
		if (!here || here === (field.value || "UTC") || field.dataset.zone) continue;
		field.dataset.zone = here;
		const use = document.createElement("button");
		use.type = "button";
		use.className = "link";
		use.textContent = `Use ${here}, as this browser does`;
		use.onclick = () => { field.value = here; use.remove(); field.focus(); };
		field.after(use);
	}
}
begin();
live();
