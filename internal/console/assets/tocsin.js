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

// begin does what a page, or a new part of one, needs: marks what is all chosen at once.
function begin() {
	for (const all of document.querySelectorAll("input[data-all]")) {
		all.hidden = false;
		all.onchange = () => {
			for (const one of document.querySelectorAll(`input[name="${CSS.escape(all.dataset.all)}"]`)) one.checked = all.checked;
		};
	}
}
begin();
live();
