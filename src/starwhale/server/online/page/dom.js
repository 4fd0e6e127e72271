// Making elements and asking the server. Nothing here, or anywhere in this page, makes markup of what a model or a person wrote.

export const get = (id) => document.getElementById(id);

export const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && name !== "list" && name !== "form") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
};

let count = 0;
export const newId = () => `id-${(count += 1)}`;

export const button = (text, onclick, more = {}) => make("button", { type: "button", onclick, ...more }, text);

// An answer that is no success is thrown as what the server says of it: {message, hint, field, status}.
export const call = async (path, body) => {
  const sent = body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  let response;
  try {
    response = await fetch(path, sent);
  } catch {
    throw { message: "the server does not answer", hint: "it may have ended", field: "" };
  }
  const said = await response.json();
  if (!response.ok) throw said;
  return said;
};

// JSON where it is JSON, else text as it is.
export const parsed = (text) => {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

export const spelled = (value) => (typeof value === "string" ? value : JSON.stringify(value));
