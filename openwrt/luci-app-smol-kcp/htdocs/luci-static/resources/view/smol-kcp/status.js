'use strict';
'require view';
'require fs';
'require poll';
'require uci';

// SPDX-License-Identifier: MIT
// What the tunnels do: the sections of the daemon's own page, from what `smol-kcpd status` says, and the log.

const STREAMS = 200;

// The page's own files, which are plain scripts: each needs what is before it.
const load = (name) => new Promise((done, failed) => {
	const version = L.env.resource_version ? `?v=${L.env.resource_version}` : '';
	const path = L.resource(`smol-kcp/${name}`) + version;
	document.head.append(name.endsWith('.css') ?
		E('link', { rel: 'stylesheet', href: path, load: done, error: failed }) :
		E('script', { src: path, load: done, error: failed }));
});
const page = () => [ 'tunnels.css', 'words.js', 'plot.js', 'tunnels.js' ].reduce((before, name) => before.then(() => load(name)), Promise.resolve());

// Themes are light or dark by rules of their own; the colour of their text tells.
const scheme = () => {
	const [ red, green, blue ] = getComputedStyle(document.body).color.match(/\d+/g).map(Number);
	return red * 0.3 + green * 0.6 + blue * 0.1 > 128 ? 'dark' : 'light';
};

return view.extend({
	load() {
		// The tunnels have secrets: who may not change them may not read them either, and sees what runs.
		return Promise.all([ uci.load('smol-kcp').catch(() => {}), page() ]);
	},

	render() {
		const place = E('div', { 'class': 'tunnels' });
		const state = E('p', { role: 'status' });
		const lines = E('pre', { style: 'overflow-x:auto' });
		const log = E('details', {}, [ E('summary', {}, [ _('Log') ]), lines ]);
		const tunnels = new Tunnels(place);
		const { set } = tunnels;
		// "zh-cn", "de"
		tunnels.speak([ document.documentElement.lang.slice(0, 2) ]);

		const readLog = async () => {
			const { stdout } = await fs.exec('/sbin/logread', [ '-e', 'smol-kcp' ]);
			set(lines, (stdout || '').trim().split('\n').slice(-50).join('\n') || _('Nothing yet.'));
		};

		const look = async () => {
			place.style.colorScheme = scheme();
			const { code, stdout } = await fs.exec('/usr/bin/smol-kcpd',
				[ 'status', '--json', '--streams', tunnels.listed() ? `${STREAMS}` : '0' ]);
			const { processes } = code ? { processes: [] } : JSON.parse(stdout);
			tunnels.show(processes);
			const run = new Set(processes.flatMap((process) => process.tunnels.map((told) => told.name)));
			const wanted = uci.sections('smol-kcp', 'tunnel').filter((section) => section.enabled === '1').map((section) => section['.name']);
			const missing = wanted.filter((name) => !run.has(name));
			if (missing.length)
				set(state, _('Enabled, and not running: %s. The log says why.').format(missing.join(', ')));
			else if (!run.size)
				set(state, _('No tunnel is running.'));
			else
				set(state, [ ...new Set(processes.map((process) => process.version)) ].map((version) => `smol-kcpd ${version}`).join(', '));
			if (missing.length && !log.open)
				log.open = true;
			if (log.open)
				await readLog();
		};
		const watch = () => look().catch((error) => set(state, _('The status cannot be had: %s').format(error.message)));

		log.addEventListener('toggle', () => log.open && readLog().catch((error) => set(lines, error.message)));
		poll.add(watch, 2);
		return watch().then(() => E('div', {}, [ E('h2', {}, [ _('KCP tunnels') ]), state, place, log ]));
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
