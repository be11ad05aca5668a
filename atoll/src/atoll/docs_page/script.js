"use strict";

const byId = (id) => document.getElementById(id);

/** An element with attributes (`class`, `onclick`, …) and children; text is always only text. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in made && typeof value !== "string") made[name] = value;
    else if (value !== "") made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

/** A text of the document, in which `words in backticks` are code. */
function prose(text) {
  return text.split(/`([^`]+)`/).map((part, index) => (index % 2 ? element("code", {}, part) : part));
}

const paragraphs = (text) => (text || "").split(/\n{2,}/).filter(Boolean).map((part) => element("p", {}, prose(part)));

/* ---- schemas ---- */

let shared = {};
let explained = {};

const nameOf = (reference) => reference.split("/").pop();
const resolved = (schema) => (schema.$ref ? resolved(shared[nameOf(schema.$ref)]) : schema);
const variants = (schema) => schema.anyOf || schema.oneOf || [];

/** A schema in a few words: `string`, `array of Order`, `integer or null`. */
function wordsFor(schema) {
  if (schema.$ref) return nameOf(schema.$ref);
  if (variants(schema).length) return variants(schema).map(wordsFor).join(" or ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" or ");
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.type === "array") return schema.items ? `array of ${wordsFor(schema.items)}` : "array";
  const type = [schema.type || "anything"].flat().join(" or ");
  return [schema.format ? `${type} (${schema.format})` : type, bounds(schema)].filter(Boolean).join(", ");
}

const LONGEST_BOUND = 40; // a longer pattern tells nobody anything

function bounds(schema) {
  const said = { minimum: "from", maximum: "to", minLength: "min length", maxLength: "max length", pattern: "like" };
  const tells = (key) => key in schema && String(schema[key]).length < LONGEST_BOUND;
  return Object.entries(said)
    .filter(([key]) => tells(key))
    .map(([key, word]) => `${word} ${schema[key]}`)
    .join(", ");
}

/** A value that the schema would accept, as far as it tells; recursion ends at `depth`. */
function exampleOf(schema, depth = 0) {
  if (depth > 6) return null;
  const plain = resolved(schema);
  for (const key of ["default", "const"]) if (key in plain) return plain[key];
  if (plain.examples) return plain.examples[0];
  if (plain.enum) return plain.enum[0];
  if (variants(plain).length) return exampleOf(variants(plain)[0], depth + 1);
  switch ([plain.type].flat()[0]) {
    case "object": return exampleObject(plain, depth);
    case "array": return plain.items ? [exampleOf(plain.items, depth + 1)] : [];
    case "integer": return plain.minimum ?? 1;
    case "number": return plain.minimum ?? 9.5;
    case "boolean": return true;
    case "string": return exampleText(plain);
    default: return null;
  }
}

/** With the fields that are required; with all of them when none is. */
function exampleObject(schema, depth) {
  const required = schema.required || [];
  const fields = Object.entries(schema.properties || {}).filter(([name]) => !required.length || required.includes(name));
  return Object.fromEntries(fields.map(([name, field]) => [name, exampleOf(field, depth + 1)]));
}

function exampleText(schema) {
  const known = {
    "uuid": "0190b6c2-7d5e-7b43-8b65-2f3a0d6c9e11",
    "date-time": "2026-01-31T12:00:00Z",
    "date": "2026-01-31",
    "email": "someone@example.org",
  };
  return known[schema.format] || "text";
}

function schemaTable(schema) {
  const plain = resolved(schema);
  if (!plain.properties) return element("p", {}, wordsFor(plain));
  const required = plain.required || [];
  const rows = Object.entries(plain.properties).map(([name, field]) =>
    element("tr", {},
      element("td", {}, element("code", {}, name)),
      element("td", { class: "type" }, wordsFor(field) + (required.includes(name) ? "" : ", optional")),
      element("td", {}, prose(field.description || ""))));
  return element("table", {}, rows);
}

/* ---- operations ---- */

/** Who may call, in a word or two: nothing for everybody, `admin`, `services`, `signed in`. */
function whoMay(operation) {
  const ways = operation.security || [];
  const [scheme, roles] = ways.flatMap(Object.entries)[0] || [];
  if (!scheme) return "";
  if (ways.some((way) => !Object.keys(way).length)) return "token optional";
  return scheme === "serviceToken" ? "services" : roles.join(" ") || "signed in";
}

function operationCard(path, method, operation) {
  const inside = element("div", { class: "inside" });
  const card = element("details", { "data-words": [path, method, operation.operationId, operation.summary].join(" ").toLowerCase() },
    element("summary", {},
      element("span", { class: `method ${method}` }, method),
      element("span", { class: "path" }, path),
      element("span", { class: "what" }, prose(operation.summary || "")),
      element("span", { class: "who" }, whoMay(operation))),
    inside);
  card.addEventListener("toggle", () => inside.hasChildNodes() || inside.append(...operationDetails(path, method, operation)));
  return card;
}

function operationDetails(path, method, operation) {
  const form = tryForm(path, method, operation);
  return [
    ...paragraphs(operation.description),
    form,
    element("h3", {}, "Answers"),
    element("table", {}, Object.entries(operation.responses).map(([status, answer]) => answerRow(status, answer))),
  ].filter(Boolean);
}

function answerRow(status, answer) {
  const types = Object.entries(answer.content || {}).map(([type, body]) => (body.schema ? wordsFor(body.schema) : type));
  const problems = problemsIn(answer);
  return element("tr", {},
    element("td", {}, status),
    problems ? element("td", { colspan: "2" }, problems) : element("td", {}, answer.description),
    problems ? null : element("td", { class: "type" }, types.join(", ")));
}

/** The problems that an answer may be, each to be opened for its explanation; null for other answers. */
function problemsIn(answer) {
  const slugs = Object.values(answer.content || {}).flatMap((body) => Object.keys(body.examples || {}));
  if (!slugs.length) return null;
  return slugs.map((slug) =>
    element("details", { class: "problem" },
      element("summary", {}, explained[slug]?.summary || slug),
      element("p", {}, element("code", {}, `/problems/${slug}`)),
      paragraphs(explained[slug]?.description)));
}

/* ---- trying it out ---- */

function tryForm(path, method, operation) {
  const inputs = (operation.parameters || []).map((parameter) => ({ parameter, input: parameterInput(parameter) }));
  const [mediaType, content] = Object.entries(operation.requestBody?.content || {})[0] || [];
  const bodySchema = content?.schema;
  const bodyText = bodySchema ? JSON.stringify(exampleOf(bodySchema), null, 2) : "";
  const rows = String(Math.min(20, Math.max(4, bodyText.split("\n").length)));
  const body = mediaType && element("textarea", { rows, spellcheck: "false", "aria-label": "Body", "data-type": mediaType }, bodyText);
  const result = element("div", { "aria-live": "polite" });
  const button = element("button", { type: "submit" }, "Send");
  const form = element("form", {},
    inputs.length ? [element("h3", {}, "Parameters"), element("div", { class: "fields" }, inputs.map(labelled))] : null,
    body ? [element("h3", {}, `Body: ${bodySchema ? wordsFor(bodySchema) : mediaType}`), body] : null,
    button, result);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    result.replaceChildren(...(await answerTo(requestFor(path, method, inputs, body))));
    button.disabled = false;
  });
  return form;
}

const parameterInput = (parameter) =>
  element("input", { required: parameter.required, placeholder: String(parameter.schema.default ?? ""), autocomplete: "off" });

function labelled({ parameter, input }) {
  const optional = parameter.required ? "" : ", optional";
  return element("label", {}, `${parameter.name} (${parameter.in}, ${wordsFor(parameter.schema)}${optional})`, input);
}

function requestFor(path, method, inputs, body) {
  const query = new URLSearchParams();
  const headers = {};
  let target = path;
  for (const { parameter, input } of inputs) {
    if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (input.value === "") continue;
    else if (parameter.in === "query") query.append(parameter.name, input.value);
    else headers[parameter.name] = input.value;
  }
  const token = byId("token").value.trim();
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body) headers["Content-Type"] = body.dataset.type;
  const address = target.slice(1) + (query.size ? `?${query}` : "");
  return { address, options: { method: method.toUpperCase(), headers, body: body ? body.value : undefined } };
}

async function answerTo({ address, options }) {
  const started = performance.now();
  try {
    const response = await fetch(address, options);
    const text = await response.text();
    const millis = Math.round(performance.now() - started);
    const line = `${response.status} ${response.statusText} · ${millis} ms`;
    return [element("h3", { class: response.ok ? "good" : "bad" }, line), element("pre", {}, indented(text) || "(no body)")];
  } catch (error) {
    return [element("h3", { class: "bad" }, `No answer: ${error.message}`)];
  }
}

function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/* ---- the page ---- */

function show(document_) {
  shared = document_.components?.schemas || {};
  explained = document_.components?.examples || {};
  document.title = `${document_.info.title} · API`;
  byId("title").textContent = document_.info.title;
  const version = document_.info.version === "0" ? "" : `Version ${document_.info.version} · `;
  byId("about").replaceChildren(`${version}OpenAPI ${document_.openapi} · `, element("a", { href: "openapi.json" }, "openapi.json"));
  byId("operations").replaceChildren(...Object.entries(byTag(document_.paths)).map(([tag, cards]) =>
    element("section", {}, element("h2", {}, tag), cards)));
  byId("schemas").replaceChildren(element("h2", {}, "Schemas"), ...Object.entries(shared).map(schemaCard));
}

function byTag(paths) {
  const groups = {};
  for (const [path, operations] of Object.entries(paths))
    for (const [method, operation] of Object.entries(operations))
      (groups[operation.tags?.[0] || "other"] ??= []).push(operationCard(path, method, operation));
  return groups;
}

function schemaCard([name, schema]) {
  return element("details", { "data-words": name.toLowerCase() },
    element("summary", {}, element("code", {}, name), element("span", { class: "what" }, prose(schema.description || ""))),
    element("div", { class: "inside" }, schemaTable(schema)));
}

byId("search").addEventListener("input", (event) => {
  const wanted = event.target.value.trim().toLowerCase();
  for (const card of document.querySelectorAll("[data-words]")) card.hidden = !card.dataset.words.includes(wanted);
  for (const group of document.querySelectorAll("section")) group.hidden = !group.querySelector("[data-words]:not([hidden])");
});

fetch("openapi.json")
  .then((response) => (response.ok ? response.json() : Promise.reject(new Error(`status ${response.status}`))))
  .then(show)
  .catch((error) => byId("operations").replaceChildren(element("p", { class: "bad" }, `The document cannot be read: ${error.message}`)));
