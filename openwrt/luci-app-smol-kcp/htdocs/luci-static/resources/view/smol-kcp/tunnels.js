'use strict';
'require view';
'require form';
'require fs';
'require uci';
'require ui';

// SPDX-License-Identifier: MIT
// A form made of what `smol-kcpd options` says, keys, invitations, and the way from kcptun. The last word has the daemon:
// what it refuses is in the log, which the status shows.

const PROGRAM = '/usr/bin/smol-kcpd';
// Where the init script keeps the secrets of what runs.
const RUN_DIR = '/var/etc/smol-kcp';
const IMPORT = '/tmp/smol-kcp-import';

const run = async (...args) => {
	const { code, stdout, stderr } = await fs.exec(PROGRAM, args);
	if (code)
		throw new Error((stderr || '').trim() || `${PROGRAM}: ${code}`);
	return stdout || '';
};
// Text is in lists everywhere: alone it would be HTML.
const complain = (error) => { ui.addNotification(null, E('p', {}, [ error.message ]), 'danger'); };
const button = (map, text, work, kind) => E('button', {
	'class': `btn cbi-button ${kind || ''}`,
	click: ui.createHandlerFn(map, () => work().catch(complain))
}, [ text ]);

const GROUPS = {
	tunnel: _('Tunnel'), keys: _('Keys'), kcp: _('Line'), kcptun: _('kcptun'),
	times: _('Times'), limits: _('Limits'), process: _('Process')
};
const COLUMNS = [ 'role', 'listen', 'server', 'target' ];
const MILLISECONDS = { ms: 1, s: 1000, m: 60000, h: 3600000, d: 86400000 };
const BYTES = { '': 1, k: 1024, m: 1048576 };
const ADDRESS = /^(?:\[[^\]\s]+\]|[^:\s]+):([1-9]\d{0,4})$/;
const KEY = /^[A-Za-z0-9+\/]{43}=$/;

// What a value may look like, by its unit.
const number = (text, units, among) => {
	const [ , digits, name ] = /^(\d+)([a-z]*)$/.exec(text) || [];
	const unit = text === '0' ? 1 : units[name];
	return unit ? among(digits * unit) : false;
};
const fits = (option, text) => {
	const among = (value) => !(value < option.min) && !(value > option.max);
	if (option.none && text === 'none')
		return true;
	switch (option.unit) {
	case 'TIME': return number(text, MILLISECONDS, among);
	case 'SIZE': return number(text, BYTES, among);
	case 'N': case 'BYTES': case 'MS': return number(text, { '': 1 }, among);
	case 'ADDR:PORT': case 'HOST:PORT': return ADDRESS.test(text) && ADDRESS.exec(text)[1] <= 65535;
	case 'KEY': return KEY.test(text);
	case 'NAME=KEY': return /^[\w.-]{1,64}=/.test(text) && KEY.test(text.slice(text.indexOf('=') + 1));
	case 'NAME=HOST:PORT': return /^[\w.-]{1,64}=/.test(text) && ADDRESS.test(text.slice(text.indexOf('=') + 1));
	case 'INVITATION': return /^smol-kcp:\/\/\S+#\S+$/.test(text);
	default: return !/[\s'"#]/.test(text);
	}
};

// What an option depends on: the side, and another option or its value.
const dependencies = ({ set_by, needs }) => {
	const side = set_by.includes('client') === set_by.includes('server') ? {} : { role: set_by.includes('client') ? 'client' : 'server' };
	if (!needs)
		return Object.keys(side).length ? [ side ] : [];
	const [ name, value ] = needs.split('=');
	// UCI may have a secret itself instead of its file.
	return [ ...new Set([ name, name.replace(/_file$/, '') ]) ].map((one) => ({ ...side, [one]: value || /./ }));
};

// On this router.
const byDefault = ({ client, server }) => client === server || server === null ? client : client === null ? server :
	_('%s, of a server %s').format(client, server);

const addOption = (section, tab, option) => {
	const { name, choices, list } = option;
	const isChoice = option['switch'] || choices.length;
	const type = list ? form.DynamicList : isChoice ? form.ListValue : form.Value;
	const one = section.taboption(tab, type, name, name, '%h'.format(_(option.help)));
	const usual = byDefault(option);
	one.modalonly = COLUMNS.includes(name) ? null : true;
	one.optional = one.rmempty = name !== 'role';
	dependencies(option).forEach((needed) => one.depends(needed));
	if (isChoice) {
		if (one.optional)
			one.value('', usual === null ? _('not set') : _('not set (%s)').format(usual));
		(option['switch'] ? [ 'true', 'false' ] : choices).forEach((choice) => one.value(choice));
		// Whatever it was written as.
		if (option['switch'])
			one.load = (id) => {
				const value = uci.get('smol-kcp', id, name);
				return [ '1', 'yes', 'on' ].includes(value) ? 'true' : [ '0', 'no', 'off' ].includes(value) ? 'false' : value;
			};
	} else {
		one.placeholder = usual;
		one.validate = (id, text) => !text || fits(option, text) || _('must be: %s').format(option.accepted);
		one.description += `<br />${'%h'.format(_('Accepted: %s').format(option.accepted))}`;
	}
};

const addSecret = (section, tab, option, name, make) => {
	const { unit, accepted } = option;
	const one = section.taboption(tab, form.Value, name, name, '%h'.format(_(option.help)));
	one.modalonly = one.optional = one.rmempty = one.password = true;
	dependencies(option).forEach((needed) => one.depends(needed));
	one.validate = (id, text) => !text || (make ? KEY.test(text) : !/[\r\n]/.test(text)) || _('must be: %s').format(make ? _('44 characters of base64') : accepted);
	if (!make)
		return;
	const press = section.taboption(tab, form.Button, `_new_${name}`, ' ');
	press.modalonly = true;
	press.inputtitle = _('Make a new one');
	dependencies(option).forEach((needed) => press.depends(needed));
	press.onclick = function(ev, id) {
		return make((which, value) => this.section.getUIElement(id, which).setValue(value))
			.then(() => this.map.checkDepends()).catch(complain);
	};
};

// Secrets that the daemon can make, and where each goes.
const MAKERS = {
	secret: async (set) => {
		const [ , secret, pub ] = /secret (\S+)\s+public (\S+)/.exec(await run('keygen'));
		set('secret', secret);
		set('_public', pub);
	},
	psk: async (set) => set('psk', (await run('keygen', '--shared')).trim()),
	shared_secret: async (set) => set('shared_secret', (await run('keygen', '--shared')).trim())
};

const secretFile = (id, name) => uci.get('smol-kcp', id, `${name}_file`) || `${RUN_DIR}/${id}.${name}`;
const has = (id, name) => uci.get('smol-kcp', id, name) || uci.get('smol-kcp', id, `${name}_file`);

const addPublic = (section, tab) => {
	const one = section.taboption(tab, form.Value, '_public', _('Public key'), _('What the other side has to know of the secret; known of a tunnel that runs.'));
	one.modalonly = one.readonly = true;
	one.depends('secret', /./);
	one.depends('secret_file', /./);
	one.load = (id) => has(id, 'secret') ? L.resolveDefault(run('pubkey', '--secret-file', secretFile(id, 'secret')), '').then((text) => text.trim()) : '';
	one.write = one.remove = () => {};
};

const closing = (text) => E('button', { 'class': 'btn', click: ui.hideModal }, [ text ]);
const ask = (map, title, fields, text, work) => {
	const inputs = fields.map(([ label, value ]) => ({ label, input: E('input', { type: 'text', 'class': 'cbi-input-text', value, 'aria-label': label }) }));
	ui.showModal(title, [
		...inputs.map(({ label, input }) => E('label', { style: 'display:block' }, [ label, ' ', input ])),
		E('p', {}, [ text ]),
		E('div', { 'class': 'right' }, [
			closing(_('Cancel')), ' ',
			button(map, _('Go on'), () => work(...inputs.map(({ input }) => input.value.trim())), 'cbi-button-positive')
		])
	]);
	inputs[0].input.focus();
};

const show = (title, text, hint) => ui.showModal(title, [
	E('textarea', { readonly: '', rows: 4, style: 'width:100%', 'aria-label': title, focus: (ev) => ev.target.select() }, [ text ]),
	E('p', {}, [ hint ]),
	E('div', { 'class': 'right' }, [ closing(_('Close')) ])
]);

const invite = async (map, id) => {
	const hasKeys = has(id, 'secret');
	if (!hasKeys && !has(id, 'shared_secret'))
		throw new Error(_('%s has no keys: make some, save and apply.').format(id));
	const port = (uci.get('smol-kcp', id, 'listen') || '').split(':').pop();
	const fields = [ [ _('Address of this server, as its clients know it'), `${location.hostname}:${port}` ] ];
	if (hasKeys)
		fields.push([ _('Name of the client'), '' ]);
	const hint = _('The invitation is secret: whoever has it can use the tunnel. It is made of the keys that are applied.');
	ask(map, _('Invite a client to %s').format(id), fields, hint, async (address, name) => {
		// They become words of a command that is allowed as a whole.
		if (!ADDRESS.test(address))
			throw new Error(_('%s: must be a name or address and a port').format(address));
		if (hasKeys && !/^[\w.-]{1,64}$/.test(name))
			throw new Error(_('%s: must be letters, digits, -, _ and .').format(name));
		const said = await (hasKeys ?
			run('invite', '--server', address, '--secret-file', secretFile(id, 'secret'), '--name', name) :
			run('invite', '--server', address, '--shared-secret-file', secretFile(id, 'shared_secret')));
		const allowed = /^allow = (\S+)$/m.exec(said);
		if (allowed) {
			const others = L.toArray(uci.get('smol-kcp', id, 'allow')).filter((one) => !one.startsWith(`${name}=`));
			uci.set('smol-kcp', id, 'allow', [ ...others, allowed[1] ]);
			await map.save(null, true);
		}
		show(_('Invitation'), said.split('\n')[0], _('Put this line into the field “invite” of a client tunnel.') +
			(allowed ? ` ${_('Then save and apply here: %s is new in “allow”.').format(name)}` : ''));
	});
};

// What `smol-kcpd import` prints, as sections of UCI that nothing enables.
const addImported = (text) => {
	const names = [];
	let id = null;
	for (const line of text.split('\n')) {
		const [ , head, key, value ] = /^(?:\[(.+)\]|(\w+) = (\S+).*)$/.exec(line) || [];
		if (head) {
			const name = head.replace(/\W/g, '_');
			id = uci.add('smol-kcp', 'tunnel', uci.get('smol-kcp', name) ? null : name);
			names.push(id);
		} else if (key && id) {
			uci.set('smol-kcp', id, key, value);
		}
	}
	return names;
};

const importKcptun = async (map) => {
	const field = E('textarea', { rows: 12, style: 'width:100%', 'aria-label': _('Configuration of kcptun') }, [ await L.resolveDefault(fs.read('/etc/config/kcptun'), '') ]);
	const file = E('input', { type: 'file', 'aria-label': _('File'), change: async (ev) => { field.value = await ev.target.files[0].text(); } });
	ui.showModal(_('Import from kcptun'), [
		E('p', {}, [ _('The JSON file of a client or server, or /etc/config/kcptun. Its keys go to files in /etc/smol-kcp.') ]),
		file, field,
		E('div', { 'class': 'right' }, [
			closing(_('Cancel')), ' ',
			button(map, _('Import'), async () => {
				await fs.write(IMPORT, field.value, 0o600);
				try {
					const names = addImported(await run('import', 'kcptun', IMPORT, '--key-dir', '/etc/smol-kcp'));
					await map.save(null, true);
					ui.hideModal();
					ui.addNotification(null, E('p', {}, [ names.length ?
						_('New, and not enabled: %s').format(names.join(', ')) : _('Nothing in it is in use.') ]), 'info');
				} finally {
					await fs.remove(IMPORT);
				}
			}, 'cbi-button-positive')
		])
	]);
};

return view.extend({
	load() {
		return Promise.all([ run('options', '--json').then(JSON.parse), uci.load('smol-kcp') ]);
	},

	render([ { options } ]) {
		const map = new form.Map('smol-kcp', _('KCP tunnels'),
			_('A client takes TCP connections, and UDP too, and carries them through a bad line to a server, which passes them on.'));
		const section = map.section(form.GridSection, 'tunnel');
		section.addremove = true;
		section.nodescriptions = true;
		section.addbtntitle = _('Add a tunnel');
		for (const group of new Set(options.map((option) => option.group)))
			section.tab(group, GROUPS[group] || group);

		const enabled = section.taboption('tunnel', form.Flag, 'enabled', _('Enabled'));
		enabled.editable = true;
		enabled.rmempty = false;
		const known = new Set(options.map(({ name }) => name));
		for (const option of options) {
			const tab = option.group;
				const itself = option.name.replace(/_file$/, '');
			if (itself !== option.name && !known.has(itself))
				addSecret(section, tab, option, itself, MAKERS[itself]);
			addOption(section, tab, option);
			if (option.name === 'secret_file')
				addPublic(section, tab);
		}
		// What only the init script reads.
		const netdev = section.taboption('process', form.Value, 'interface', 'interface', _('Start anew when this interface gets a new device: only for a “listen” at an address that comes and goes.'));
		const jail = section.taboption('process', form.Flag, 'jail', 'jail', _('Confine the process to its own view of the file system (package procd-ujail).'));
		netdev.modalonly = netdev.optional = jail.modalonly = true;

		section.renderRowActions = function(id) {
			const cell = this.super('renderRowActions', [ id, _('Edit') ]);
			if (uci.get('smol-kcp', id, 'role') === 'server')
				cell.lastChild.prepend(button(map, _('Invite…'), () => invite(map, id)), ' ');
			return cell;
		};

		// Beside the form, which is made anew when it is saved.
		return map.render().then((node) => E('div', {}, [
			node,
			known.has('protocol') ? E('p', {}, [ button(map, _('Import from kcptun…'), () => importKcptun(map)) ]) : ''
		]));
	}
});
