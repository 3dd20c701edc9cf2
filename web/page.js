// The status page: reads the REST API with a token, follows the events, reads the lists again when something happened.
"use strict";

const REFRESH_MS = 700; // after an event: what comes within this time is shown at once
const MAX_EVENTS = 200;
const $ = (id) => document.getElementById(id);
let token = sessionStorage.getItem("berth.token");
let tenant = sessionStorage.getItem("berth.tenant") || "";
let lastEvent = 0;
let watching = null;
let timer = null;

class Refused extends Error {
  constructor(status, detail) { super(detail); this.status = status; }
}

async function get(path, parameters = {}, options = {}) {
  const query = new URLSearchParams(parameters);
  if (tenant) query.set("tenant", tenant);
  const text = query.toString();
  const headers = { Authorization: "Bearer " + token, ...options.headers };
  const answer = await fetch(path + (text ? "?" + text : ""), { ...options, headers });
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  throw new Refused(answer.status, problem.detail || answer.statusText);
}

const read = async (path, parameters) => (await get(path, parameters)).json();

// ---- building elements: text only, never markup, whatever names and messages hold
function el(tag, className, ...children) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  for (const c of children) e.append(c === undefined || c === null ? "" : c);
  return e;
}

const row = (...cells) => el("tr", "", ...cells.map((c) => el("td", "", c)));

function fill(id, rows, columns, none) {
  const empty = el("td", "none", none);
  empty.colSpan = columns;
  $(id).replaceChildren(...(rows.length ? rows : [el("tr", "", empty)]));
}

const TONES = {
  ready: "good", running: "good", succeeded: "good",
  rolling: "busy", joining: "busy", restoring: "busy", soaking: "busy", queued: "busy",
  waiting: "warn", silent: "warn", paused: "warn", confirming: "warn", degraded: "bad", lost: "bad", failed: "bad",
};
function state(word, reason) {
  const s = el("span", TONES[word] || "quiet", word || "");
  if (reason) s.title = reason;
  return s;
}

function since(time) {
  if (!time) return "";
  const s = Math.max(0, (Date.now() - Date.parse(time)) / 1000);
  const text = s < 90 ? Math.round(s) + " s" : s < 5400 ? Math.round(s / 60) + " min" : s < 172800 ? Math.round(s / 3600) + " h" : Math.round(s / 86400) + " d";
  const e = el("time", "", text);
  e.dateTime = time;
  e.title = new Date(time).toLocaleString();
  return e;
}

// ---- the parts of the board
function showCounts(s) {
  const counts = [
    [`${s.readyBases ?? 0} / ${s.bases ?? 0}`, "bases ready"],
    [`${s.unitsUsed ?? 0} / ${s.unitsLimit ?? 0}`, "units used"],
    [s.deployments ?? 0, "deployments"],
    [`${s.readyInstances ?? 0} / ${s.instances ?? 0}`, "instances ready"],
    [s.plansRunning ?? 0, "plans running"],
    [s.modules ?? 0, "modules"],
    [s.oldestSent ?? "–", "oldest open command"],
    [s.loopLagMax ?? "–", "longest loop lag"],
  ];
  $("counts").replaceChildren(...counts.map(([n, text]) => el("div", "count", el("b", "", String(n)), el("span", "", text))));
  $("cell").textContent = `${s.version ?? ""} · cell ${(s.cell ?? "").slice(0, 8)} · epoch ${s.epoch ?? 0}`;
}

function showAttention(rows) {
  const notices = rows.map((a) => {
    const subjects = (a.subjects || []).join(", ");
    const more = a.count > (a.subjects || []).length ? ", …" : "";
    const e = el("div", "notice", el("p", "", el("b", "", a.reason.replaceAll("_", " ")), ` ${a.count}: ${subjects}${more}`));
    if (a.text) e.append(el("p", "quiet", a.text));
    if (a.command) e.append(el("p", "", el("code", "", a.command)));
    return e;
  });
  $("attention").replaceChildren(...(notices.length ? notices : [el("p", "good", "Everything is as wanted.")]));
}

function showPlans(plans) {
  fill("plans", plans.map((p) => {
    const change = (p.changes || [])[0] || {};
    const versions = change.toVersion ? ` ${change.fromVersion && change.fromVersion !== change.toVersion ? change.fromVersion + " → " : ""}${change.toVersion}` : "";
    const bar = el("progress", "");
    bar.max = p.basesTotal || 1;
    bar.value = p.basesDone || 0;
    const done = el("span", "", bar, ` ${p.basesDone ?? 0}/${p.basesTotal ?? 0}`, p.basesFailed ? el("span", "bad", ` ${p.basesFailed} failed`) : "");
    const batches = (p.batches || []).length;
    return row(String(p.id), `${p.kind ?? ""} ${change.deployment ?? ""}${versions}`, state(p.state, p.stateReason), batches ? `${p.currentBatch ?? 0} of ${batches}` : "", done, since(p.createTime));
  }), 6, "No plan is running.");
}

function showDeployments(list) {
  fill("deployments", list.map((d) =>
    row(d.name, `${d.module ?? ""}:${d.version ?? ""}`, d.group, state(d.state, d.stateReason), `${d.ready ?? 0} / ${d.wanted ?? 0}`, since(d.stateTime))), 6, "Nothing is deployed yet: berth deploy ./hello.so");
}

function showBases(list) {
  fill("bases", list.map((b) => {
    const name = el("span", "", b.id, b.cordoned ? el("span", "warn", " cordoned") : "");
    return row(name, b.group, state(b.state, b.stateReason), `${b.unitsUsed ?? 0} / ${b.installLimit ?? 0}`, String(b.instances ?? 0), since(b.seenTime));
  }), 6, "No base has joined yet.");
}

function eventItem(e) {
  const time = el("time", "", e.time ? new Date(e.time).toLocaleTimeString() : "");
  time.dateTime = e.time || "";
  const who = e.actor ? el("span", "quiet", e.actor) : "";
  return el("li", "", time, el("span", "kind", e.kind ?? ""), el("span", "grow", e.text ?? ""), who);
}

function addEvent(e) {
  if (e.number <= lastEvent) return;
  lastEvent = e.number;
  $("events").prepend(eventItem(e));
  while ($("events").children.length > MAX_EVENTS) $("events").lastChild.remove();
  timer ??= setTimeout(() => { timer = null; refresh().catch(lost); }, REFRESH_MS);
}

async function refresh() {
  const [status, plans, deployments, bases] = await Promise.all([
    read("/v1/status"), read("/v1/plans", { unfinished: true, limit: 50 }), read("/v1/deployments", { limit: 500 }), read("/v1/bases", { limit: 500 }),
  ]);
  showCounts(status);
  showAttention(status.attention || []);
  showPlans(plans.plans || []);
  showDeployments(deployments.deployments || []);
  showBases(bases.bases || []);
  return status;
}

// ---- events as they come; fetch instead of EventSource, which cannot send a token
function eventOf(block) {
  const data = block.split("\n").filter((l) => l.startsWith("data:")).map((l) => l.slice(5).trim()).join("\n");
  return data ? JSON.parse(data) : null;
}

async function follow(after) {
  watching = new AbortController();
  const answer = await get("/v1/events", { after }, { headers: { Accept: "text/event-stream" }, signal: watching.signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  live("live", "good");
  for (let rest = ""; ;) {
    const { value, done } = await reader.read();
    if (done) throw new Error("the stream ended");
    rest += value;
    const blocks = rest.split("\n\n");
    rest = blocks.pop();
    for (const e of blocks.map(eventOf)) if (e && e.number) addEvent(e);
  }
}

function live(text, tone) {
  $("live").textContent = text;
  $("live").className = "pill " + tone;
}

function lost(error) {
  if (error.name === "AbortError") return;
  if (error.status === 401 || error.status === 403) return login(error.message);
  live("reconnecting", "warn");
  setTimeout(start, 1000 + Math.random() * 2000);
}

async function start() {
  if (!token) return login("");
  watching?.abort();
  try {
    const status = await refresh();
    $("login").hidden = true;
    $("board").hidden = false;
    $("forget").hidden = false;
    const recent = await read("/v1/events", { newestFirst: true, limit: 50 });
    const list = (recent.events || []).filter((e) => e.number > lastEvent).reverse();
    for (const e of list) addEvent(e);
    await follow(Math.max(lastEvent, status.lastEvent || 0));
  } catch (error) {
    lost(error);
  }
}

function login(why) {
  watching?.abort();
  token = null;
  sessionStorage.removeItem("berth.token");
  live("not connected", "");
  $("login-error").textContent = why;
  $("login").hidden = false;
  $("board").hidden = true;
  $("forget").hidden = true;
  $("token").focus();
}

$("token-form").addEventListener("submit", (submit) => {
  submit.preventDefault();
  token = $("token").value.trim();
  tenant = $("tenant").value.trim();
  $("token").value = "";
  sessionStorage.setItem("berth.token", token);
  sessionStorage.setItem("berth.tenant", tenant);
  lastEvent = 0;
  $("events").replaceChildren();
  start();
});
$("forget").addEventListener("click", () => login(""));

// A link may let its reader in: http://HOST/#token=…; the fragment is not sent to the server, and leaves the address at once.
const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) {
  token = given;
  sessionStorage.setItem("berth.token", token);
  history.replaceState(null, "", location.pathname);
}
start();
