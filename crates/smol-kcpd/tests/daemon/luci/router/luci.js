// Stands in for LuCI, as its documents describe it (openwrt.github.io/luci/jsapi): what the views use of its globals and of
// the modules view, fs, uci, ui, poll and form. Written for these tests; the router behind it is the test itself.
'use strict';

/** The hash by which LuCI's catalogues know a text: SuperFastHash of its UTF-8, seeded by its length. */
function sfh(text) {
  const data = new TextEncoder().encode(text), length = data.length;
  const two = (at) => data[at] | (data[at + 1] << 8), signed = (at) => (data[at] << 24) >> 24;
  if (!length) return 0;
  let hash = length, at = 0;
  for (; at + 4 <= length; at += 4) {
    hash = (hash + two(at)) | 0;
    hash = (hash << 16) ^ ((two(at + 2) << 11) ^ hash);
    hash = (hash + (hash >>> 11)) | 0;
  }
  if (length - at === 3) {
    hash = (hash + two(at)) | 0;
    hash ^= hash << 16;
    hash ^= signed(at + 2) << 18;
    hash = (hash + (hash >>> 11)) | 0;
  } else if (length - at === 2) {
    hash = (hash + two(at)) | 0;
    hash ^= hash << 11;
    hash = (hash + (hash >>> 17)) | 0;
  } else if (length - at === 1) {
    hash = (hash + signed(at)) | 0;
    hash ^= hash << 10;
    hash = (hash + (hash >>> 1)) | 0;
  }
  hash ^= hash << 3;
  hash = (hash + (hash >>> 5)) | 0;
  hash ^= hash << 4;
  hash = (hash + (hash >>> 17)) | 0;
  hash ^= hash << 25;
  return ((hash + (hash >>> 6)) | 0) >>> 0;
}
const untranslated = new Set();
const _ = (text) => {
  const found = window.TR[sfh(text)];
  if (found === undefined) untranslated.add(text);
  return found === undefined ? text : found;
};
String.prototype.format = function (...values) {
  const escaped = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt()};`);
  return this.replace(/%([shd%])/g, (whole, kind) => (kind === '%' ? '%' : kind === 'h' ? escaped(values.shift()) : String(values.shift())));
};

/** Children in a list become nodes; one text alone is HTML. */
function append(node, children) {
  if (Array.isArray(children)) for (const one of children) { if (one !== null && one !== undefined) node.append(one); }
  else if (children instanceof Node) node.append(children);
  else if (children !== null && children !== undefined) node.innerHTML = children;
  return node;
}
function E(name, attributes, children) {
  if (Array.isArray(name)) return append(document.createDocumentFragment(), name);
  if (Array.isArray(attributes) || attributes instanceof Node || typeof attributes === 'string') [attributes, children] = [{}, attributes];
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined) continue;
    if (typeof value === 'function') node.addEventListener(key, value);
    else node.setAttribute(key, value);
  }
  return append(node, children);
}

/** Classes: `extend` makes a new one of methods, `super` calls what an own method hides. */
class Base {
  static extend(members) {
    const made = class extends this {};
    for (const [key, value] of Object.entries(members)) made.prototype[key] = value;
    return made;
  }
  super(key, args) {
    let from = this;
    while (!Object.hasOwn(from, key)) from = Object.getPrototypeOf(from);
    return Object.getPrototypeOf(from)[key].apply(this, args);
  }
}

const asked = async (path, body) => {
  const answer = await fetch(path, { method: 'POST', body: JSON.stringify(body) });
  if (answer.status === 403) throw Object.assign(new Error('Permission denied'), { name: 'PermissionError' });
  if (!answer.ok) throw Object.assign(new Error('Resource not found'), { name: 'NotFoundError' });
  return answer.json();
};

const modules = {
  fs: {
    exec: (command, params) => asked('/exec', { command, params }),
    read: (path) => asked('/read', { path }).then(({ data }) => data),
    write: (path, data, mode) => asked('/write', { path, data, mode }),
    remove: (path) => asked('/remove', { path })
  },
  uci: {
    sectionsOf: [],
    load: () => asked('/uci', {}).then((sections) => { modules.uci.sectionsOf = sections; }),
    find: (id) => modules.uci.sectionsOf.find((one) => one['.name'] === id),
    get: (config, id, key) => (modules.uci.find(id) || {})[key] ?? null,
    set: (config, id, key, value) => { modules.uci.find(id)[key] = value; },
    unset: (config, id, key) => { delete modules.uci.find(id)[key]; },
    add: (config, type, name) => {
      const id = name || `cfg${modules.uci.sectionsOf.length}`;
      modules.uci.sectionsOf.push({ '.name': id, '.type': type });
      return id;
    },
    remove: (config, id) => { modules.uci.sectionsOf = modules.uci.sectionsOf.filter((one) => one['.name'] !== id); },
    sections: (config, type) => modules.uci.sectionsOf.filter((one) => one['.type'] === type),
    save: () => asked('/uci-save', modules.uci.sectionsOf)
  },
  ui: {
    createHandlerFn: (self, work, ...args) => (ev) => Promise.resolve(typeof work === 'string' ? self[work](...args, ev) : work.call(self, ...args, ev)),
    showModal: (title, children, ...classes) => {
      modules.ui.hideModal();
      const modal = E('div', { 'class': ['modal', ...classes].join(' '), role: 'dialog', 'aria-modal': 'true' }, [E('h4', {}, title)]);
      document.body.append(E('div', { id: 'modal_overlay' }, [append(modal, children)]));
      return modal;
    },
    hideModal: () => document.getElementById('modal_overlay')?.remove(),
    addNotification: (title, children, ...classes) => document.body.prepend(E('div', { 'class': ['alert-message', ...classes].join(' ') }, [children]))
  },
  poll: { add: (work, seconds) => setInterval(work, seconds * 1000) },
  view: Base
};

const L = {
  env: { resource_version: 'test', requestpath: [] },
  resource: (path) => `/luci-static/resources/${path}`,
  resolveDefault: (promise, value) => Promise.resolve(promise).catch(() => value),
  toArray: (value) => (Array.isArray(value) ? value : value === null || value === undefined ? [] : String(value).trim().split(/\s+/)),
  // The names that a view requires become its parameters; what it returns is a class.
  require: async (name) => {
    const source = await (await fetch(L.resource(`${name.replace(/\./g, '/')}.js`))).text();
    const names = [...source.matchAll(/^'require (\w+)';$/gm)].map(([, one]) => one);
    return new Function('L', ...names, source)(L, ...names.map((one) => modules[one]));
  }
};

addEventListener('DOMContentLoaded', async () => {
  const View = await L.require(`view.${document.body.dataset.view.replace('/', '.')}`);
  const view = new View();
  try {
    append(document.getElementById('view'), await view.render(await view.load()));
  } catch (error) {
    append(document.getElementById('view'), [`failed: ${error.stack}`]);
  }
  document.body.dataset.shown = '1';
});
