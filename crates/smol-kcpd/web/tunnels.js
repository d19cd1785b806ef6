// What tunnels do, as sections of a page, from what `smol-kcpd status --json` prints. Knows nothing of the page around
// them: the LuCI application has this file too.
'use strict';

/** Sections in `place`, one for each tunnel. */
function Tunnels(place) {
  const SPAN = 300;
  const tunnels = new Map();
  let words = WORDS.en, code = 'en';

  const say = (key, ...values) => words[key].replace(/\{(\d)\}/g, (_, at) => values[at]);
  const make = (name, className, parent, text) => {
    const element = document.createElement(name);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    if (parent) parent.append(element);
    return element;
  };
  const set = (element, text) => {
    if (element.textContent !== text) element.textContent = text;
  };
  const scaled = (value, step, units) => {
    let at = 0;
    while (value >= step && at < units.length - 1) (value /= step), at++;
    return `${value.toLocaleString(code, { maximumSignificantDigits: 3 })} ${units[at]}`;
  };
  const bits = (rate) => scaled(rate, 1000, ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s']);
  const bytes = (count) => scaled(count, 1000, ['B', 'kB', 'MB', 'GB', 'TB']);
  const millis = (time) => `${Math.round(time)} ms`;
  const share = (part) => (part === null ? '–' : `${part.toLocaleString(code, { maximumFractionDigits: 1 })} %`);
  const span = (ms) => {
    const seconds = Math.floor(ms / 1000);
    const units = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
    const at = units.findIndex(([unit]) => seconds >= unit);
    if (at < 0) return '0 s';
    const [unit, name] = units[at], next = units[at + 1];
    const rest = next ? Math.floor((seconds % unit) / next[0]) : 0;
    return `${Math.floor(seconds / unit)} ${name}${rest ? ` ${rest} ${next[1]}` : ''}`;
  };
  const sum = (list, key) => list.reduce((all, one) => all + one[key], 0);

  /** A table of which a row is made anew only where its text differs. */
  const fill = (body, rows) => {
    while (body.rows.length > rows.length) body.deleteRow(-1);
    rows.forEach((cells, at) => {
      const row = body.rows[at] || body.insertRow();
      cells.forEach((text, column) => set(row.cells[column] || row.insertCell(), text));
    });
  };
  const table = (parent) => {
    const scroll = make('div', 'scroll', parent);
    const element = make('table', '', scroll);
    scroll.tabIndex = 0;
    return { scroll, caption: make('caption', '', element), head: make('tr', '', make('thead', '', element)), body: make('tbody', '', element) };
  };
  const titles = (one, caption, names) => {
    set(one.caption, caption);
    one.scroll.setAttribute('aria-label', caption);
    names.forEach((name, at) => {
      const cell = one.head.cells[at] || make('th', '', one.head);
      cell.scope = 'col';
      set(cell, name);
    });
  };

  /** What is kept of one tunnel, and its place on the page. */
  function Tunnel(name) {
    this.samples = [];
    const root = (this.root = make('section', '', place));
    const head = make('h2', '', root);
    head.id = `tunnel-${name}`;
    root.setAttribute('aria-labelledby', head.id);
    make('span', '', head, name);
    this.state = make('span', 'state', head);
    this.sentence = make('p', 'sentence', root);
    this.problems = make('div', '', root);
    this.problems.setAttribute('role', 'status');
    this.ends = make('p', 'facts', root);
    this.facts = make('p', 'facts', root);
    this.udp = make('p', 'facts', root);
    const plots = make('div', 'plots', root);
    this.plots = ['rate', 'rtt', 'loss'].map((key) => {
      const figure = make('figure', '', plots), plot = new Plot(2, SPAN);
      figure.dataset.plot = key;
      const caption = make('figcaption', '', figure);
      figure.append(plot.element);
      const parts = { title: make('b', '', caption), first: make('span', 'key key0', caption), second: make('span', 'key key1', caption), top: make('span', '', caption) };
      return { key, plot, parts };
    });
    this.peers = table(root);
    this.list = make('details', '', root);
    this.summary = make('summary', '', this.list);
    this.streams = table(this.list);
  }

  Tunnel.prototype.take = function (told, at) {
    const now = { at, sent: told.totals.bytes_sent, received: told.totals.bytes_received };
    for (const key of ['acked_bytes', 'lost_bytes', 'arrived', 'missing']) now[key] = sum(told.peers, key);
    const before = this.before;
    this.before = now;
    const values = { rate: [null, null], rtt: [null, null], loss: [null, null] };
    if (before && at > before.at) {
      const rate = (key) => Math.max(0, ((now[key] - before[key]) * 8) / (at - before.at));
      const lost = (lost, arrived) => {
        const [l, a] = [now[lost] - before[lost], now[arrived] - before[arrived]];
        // A peer that has gone, or what came late.
        return l + a > 0 && a >= 0 ? (100 * Math.max(0, l)) / (Math.max(0, l) + a) : null;
      };
      values.rate = [rate('sent'), rate('received')];
      values.loss = [lost('lost_bytes', 'acked_bytes'), lost('missing', 'arrived')];
    }
    const busiest = told.peers.reduce((most, peer) => (!most || peer.streams > most.streams ? peer : most), null);
    if (busiest && told.state !== 'down') values.rtt = [busiest.rtt_ms, busiest.queue_ms];
    this.samples.push({ at, values });
    while (this.samples.length && this.samples[0].at < at - SPAN) this.samples.shift();
    this.told = told;
    this.busiest = busiest;
  };

  Tunnel.prototype.show = function () {
    const told = this.told, { connections } = told;
    set(this.state, say(told.state));
    this.state.className = `state ${told.state}`;
    const peer = this.busiest, tried = told.peers.reduce((all, one) => all + one.acked_bytes + one.lost_bytes, 0);
    const lost = tried ? (100 * sum(told.peers, 'lost_bytes')) / tried : 0;
    set(this.sentence, say(`s_${told.state}`, told.name, connections.open, peer ? millis(peer.rtt_ms) : '–', share(lost)));
    while (this.problems.children.length > told.problems.length) this.problems.lastChild.remove();
    told.problems.forEach((problem, at) => {
      const box = this.problems.children[at] || make('div', 'problem', this.problems);
      if (!box.children.length) make('p', '', box), make('p', '', box);
      set(box.children[0], say('for', problem.why, span(problem.for_ms)));
      set(box.children[1], words[`a_${problem.about}`] || '');
    });
    const kind = `${told.encrypted ? say('encrypted') : say('plain')} (${told.protection})`;
    const [from, to] = [told.listen, told.server || told.target];
    const alone = from && to ? '' : '_udp';
    set(this.ends, `${say(told.role + alone, from || told.udp.at, to || told.udp.at)}, ${kind}`);
    set(this.facts, say('facts', connections.open, connections.max, connections.opened, connections.failed));
    const { udp } = told;
    set(this.udp, udp ? say('udp', udp.at, udp.sources.open, udp.sources.max, bytes(udp.bytes_sent), bytes(udp.bytes_received), udp.dropped) : '');
    const latest = this.samples[this.samples.length - 1].values;
    const looks = { rate: [bits, 1000, 'sent', 'received'], rtt: [millis, 10, 'round', 'queue'], loss: [share, 1, 'there', 'back'] };
    for (const { key, plot, parts } of this.plots) {
      const [print, least, first, second] = looks[key];
      const now = latest[key].map((value) => (value === null ? '–' : print(value)));
      const keys = [`${say(first)} ${now[0]}`, `${say(second)} ${now[1]}`];
      const label = `${told.name}, ${say(key)}, ${say('minutes')}: ${keys.join(', ')}`;
      const samples = this.samples.map(({ at, values }) => ({ at, values: values[key] }));
      const top = plot.draw(samples, least, label);
      set(parts.title, say(key));
      set(parts.first, ` ━ ${keys[0]}`);
      set(parts.second, ` ┅ ${keys[1]} `);
      set(parts.top, say('top', print(top)));
    }
    const shown = told.peers.slice(0, 50);
    this.peers.scroll.hidden = !shown.length;
    const more = told.peers_total > shown.length ? `, ${say('more', told.peers_total - shown.length)}` : '';
    titles(this.peers, say('peers') + more, ['peer', 'streams', 'carries', 'rtt', 'queue', 'there', 'back', 'mtu'].map((key) => say(key)));
    const rest = (lost, arrived) => (lost + arrived ? share((100 * lost) / (lost + arrived)) : '–');
    fill(this.peers.body, shown.map((one) => [
      [one.name, one.address].filter(Boolean).join(' ') || say('unknown'), `${one.streams}`, bits(one.rate_bps), millis(one.rtt_ms),
      millis(one.queue_ms), rest(one.lost_bytes, one.acked_bytes), rest(one.missing, one.arrived), `${one.mtu}`
    ]));
    set(this.summary, say('list', told.streams_total));
    if (this.list.open) {
      const hidden = told.streams_total - told.streams.length;
      titles(this.streams, hidden > 0 ? say('more', hidden) : '', ['streams', 'state', 'waits', 'sent', 'received', 'rtt', 'again'].map((key) => say(key)));
      fill(this.streams.body, told.streams.map((one) => [
        one.conv.toString(16).padStart(8, '0'), one.state, one.waits_for, bytes(one.bytes_sent), bytes(one.bytes_received),
        millis(one.rtt_ms), `${one.retransmits}/${one.segments_sent}`
      ]));
    }
  };

  this.say = say;

  /** Changes a text, where it is another one: what changes is read out. */
  this.set = set;

  /** Goes on in the first of these languages that it has, and returns which that is. */
  this.speak = (languages) => {
    code = languages.find((one) => WORDS[one]) || 'en';
    words = WORDS[code];
    tunnels.forEach((tunnel) => tunnel.show());
    return code;
  };

  /** What is said of a process in one line. */
  this.line = ({ version, uptime_ms, memory }) => say('process', version, span(uptime_ms), bytes(memory.used), bytes(memory.budget));

  /** Does anybody look at a list of streams? */
  this.listed = () => [...tunnels.values()].some((tunnel) => tunnel.list.open);

  /** Shows what these processes carry now, and nothing else. */
  this.show = (processes) => {
    const at = performance.now() / 1000, seen = new Set();
    for (const { pid, tunnels: all } of processes) {
      for (const told of all) {
        // Another process may have one of the same name.
        const key = seen.has(told.name) ? `${told.name} ${pid}` : told.name;
        seen.add(key);
        if (!tunnels.has(key)) tunnels.set(key, new Tunnel(key));
        const tunnel = tunnels.get(key);
        if (tunnel.pid !== pid) tunnel.before = null, (tunnel.pid = pid); // it counts from zero
        tunnel.take(told, at);
        tunnel.show();
      }
    }
    for (const [key, tunnel] of tunnels) if (!seen.has(key)) tunnel.root.remove(), tunnels.delete(key);
  };
}
