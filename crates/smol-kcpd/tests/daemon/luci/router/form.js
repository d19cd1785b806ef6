// Stands in for LuCI's form: the sections and options that the views use, with what the documents say of dependencies,
// validation, and of a grid whose rows open a dialogue with tabs.
'use strict';

modules.form = (() => {
  const same = (value, wanted) => (wanted instanceof RegExp ? value !== null && wanted.test(value) : value === wanted);

  class Option extends Base {
    constructor(section, name, title, description) {
      super();
      Object.assign(this, { section, map: section.map, option: name, title, description, deps: [], choices: [], rmempty: true, data: {} });
    }
    depends(field, value) { this.deps.push(typeof field === 'object' ? field : { [field]: value }); }
    value(key, label) { this.choices.push([key, label ?? key]); }
    load(id) { return modules.uci.get(this.map.config, id, this.option); }
    cfgvalue(id) { return this.data[id] ?? null; }
    write(id, value) { modules.uci.set(this.map.config, id, this.option, value); }
    remove(id) { modules.uci.unset(this.map.config, id, this.option); }
    validate() { return true; }
    widgetOf(id) { return this.map.root?.querySelector(`[data-field="${id}.${this.option}"]`); }
    isActive(id) { const field = this.widgetOf(id); return !!field && !field.classList.contains('hidden'); }
    formvalue(id) { return this.widgetOf(id).value; }
    textvalue(id) { return '%h'.format(this.cfgvalue(id) ?? ''); }
    isMet(id) {
      const value = (name) => this.section.children.find((one) => one.option === name && one.isActive(id))?.formvalue(id) ?? null;
      return !this.deps.length || this.deps.some((all) => Object.entries(all).every(([name, wanted]) => same(value(name) === '' ? null : value(name), wanted)));
    }
    wrong(id) {
      const text = this.formvalue(id);
      if (text === '' || text === null) return this.optional || this.rmempty ? '' : 'non-empty value';
      for (const one of Array.isArray(text) ? text : [text]) {
        const said = this.validate(id, one);
        if (said !== true) return said;
      }
      return '';
    }
    parse(id) {
      if (!this.isActive(id)) return this.remove(id);
      const value = this.formvalue(id), wrong = this.wrong(id);
      if (wrong) throw new TypeError(`Option "${this.title}" contains an invalid input value. Expecting: ${wrong}`);
      if (value === '' || value === null || value.length === 0) this.remove(id);
      else if (String(value) !== String(this.cfgvalue(id))) this.write(id, value);
    }
    frame(id, input) {
      const name = `widget.${id}.${this.option}`;
      const field = E('div', { 'class': 'cbi-value', 'data-field': `${id}.${this.option}`, 'data-name': this.option });
      Object.defineProperty(field, 'value', { get: () => this.read(input), set: (value) => this.show(input, value) });
      if (input) {
        input.id = name;
        if (this.readonly) input.disabled = true;
        input.addEventListener('change', () => { this.map.checkDepends(); this.mark(id, input); });
      }
      field.append(E('label', { 'for': name }, this.title), E('div', { 'class': 'cbi-value-field' }, [input]));
      if (this.description) field.lastChild.append(E('div', { 'class': 'cbi-value-description' }, this.description));
      return field;
    }
    mark(id, input) {
      const wrong = this.wrong(id);
      input.classList.toggle('cbi-input-invalid', !!wrong);
      input.dataset.tooltip = wrong;
    }
    read(input) { return input.value; }
    show(input, value) { input.value = value ?? ''; }
    render(id) {
      const input = this.widget(id);
      this.show(input, this.cfgvalue(id) ?? this.default);
      return this.frame(id, input);
    }
  }
  class Value extends Option {
    widget() { return E('input', { type: this.password ? 'password' : 'text', placeholder: this.placeholder }); }
  }
  class ListValue extends Option {
    widget() { return E('select', {}, this.choices.map(([key, label]) => E('option', { value: key }, [label]))); }
    show(input, value) { if (value !== null && value !== undefined) input.value = value; }
  }
  class DynamicList extends Option {
    widget() { return E('textarea', { placeholder: this.placeholder }); }
    read(input) { return input.value.split('\n').filter(Boolean); }
    show(input, value) { input.value = L.toArray(value).join('\n'); }
  }
  class Flag extends Option {
    widget() { return E('input', { type: 'checkbox' }); }
    read(input) { return input.checked ? '1' : '0'; }
    show(input, value) { input.checked = value === '1'; }
    parse(id) {
      if (!this.isActive(id)) return this.remove(id);
      const value = this.formvalue(id);
      if (value === '0' && this.rmempty) this.remove(id);
      else this.write(id, value);
    }
  }
  class Button extends Option {
    render(id) {
      const button = E('button', { 'class': 'cbi-button', click: (ev) => this.onclick(ev, id) }, [this.inputtitle]);
      return this.frame(id, button);
    }
    read() { return null; }
    parse() {}
  }

  class Section extends Base {
    constructor(map, type) {
      super();
      Object.assign(this, { map, sectiontype: type, children: [], tabs: [] });
    }
    tab(name, title) { this.tabs.push([name, title]); }
    option(Class, ...args) {
      this.children.push(new Class(this, ...args));
      return this.children.at(-1);
    }
    taboption(tab, ...args) { return Object.assign(this.option(...args), { tab }); }
    getUIElement(id, name) {
      const field = this.children.find((one) => one.option === name).widgetOf(id);
      return field && { getValue: () => field.value, setValue: (value) => { field.value = value; } };
    }
    load(ids) {
      return Promise.all(ids.flatMap((id) => this.children.map(async (one) => { one.data[id] = await one.load(id); })));
    }
  }
  class GridSection extends Section {
    ids() { return modules.uci.sections(this.map.config, this.sectiontype).map((one) => one['.name']); }
    columns() { return this.children.filter((one) => !one.modalonly); }
    load() { return super.load(this.ids()); }
    parse() { for (const id of this.ids()) for (const one of this.columns()) if (one.editable) one.parse(id); }
    renderRowActions(id, more) {
      return E('td', { 'class': 'cbi-section-actions' }, [E('div', {}, [
        E('button', { 'class': 'cbi-button-edit', click: () => this.open(id) }, [more]),
        E('button', { 'class': 'cbi-button-remove', click: () => { modules.uci.remove(this.map.config, id); return this.map.save(null, true); } }, ['Delete'])
      ])]);
    }
    render() {
      const head = E('tr', {}, [E('th', {}, ['Name']), ...this.columns().map((one) => E('th', {}, one.title)), E('th', {}, [''])]);
      const rows = this.ids().map((id) => E('tr', { 'data-sid': id }, [
        E('td', {}, [id]),
        ...this.columns().map((one) => E('td', { 'data-title': one.title }, one.editable ? [one.render(id)] : one.textvalue(id))),
        this.renderRowActions(id, 'Edit')
      ]));
      const name = E('input', { type: 'text', 'aria-label': 'Name', 'class': 'cbi-section-create-name' });
      const add = E('button', { 'class': 'cbi-button-add', click: () => { modules.uci.add(this.map.config, this.sectiontype, name.value); return this.open(name.value); } }, [this.addbtntitle]);
      return E('div', { 'class': 'cbi-section' }, [E('div', { style: 'overflow-x:auto' }, [E('table', {}, [head, ...rows])]), name, add]);
    }
    // A map of its own with copies of the options, one tab after the other.
    async open(id) {
      const map = new Map(this.map.config);
      const section = map.section(Section, this.sectiontype);
      map.parent = this.map;
      for (const one of this.children) {
        if (one.modalonly === false) continue;
        const copy = section.option(one.constructor, one.option, one.title, one.description);
        for (const [key, value] of Object.entries(one)) if (!['map', 'section', 'option', 'title', 'description', 'data'].includes(key)) copy[key] = value;
      }
      section.parse = () => section.children.forEach((one) => one.parse(id));
      section.load = () => Section.prototype.load.call(section, [id]);
      section.ids = () => [id];
      section.render = () => E('div', {}, this.tabs.map(([name, title]) => E('fieldset', { 'data-tab': name }, [E('legend', {}, title), ...section.children.filter((one) => one.tab === name).map((one) => one.render(id))])));
      const node = await map.render();
      const save = () => map.save().then(() => this.map.load()).then(() => this.map.reset()).then(() => modules.ui.hideModal())
        .catch((error) => modules.ui.addNotification(null, E('p', {}, [error.message])));
      modules.ui.showModal(id, [node, E('button', { 'class': 'cbi-button-positive', click: save }, ['Save'])], 'cbi-modal');
      map.checkDepends();
    }
  }

  class Map extends Base {
    constructor(config, title, description) {
      super();
      Object.assign(this, { config, title, description, children: [] });
    }
    section(Class, ...args) {
      this.children.push(new Class(this, ...args));
      return this.children.at(-1);
    }
    load() {
      return Promise.all(this.children.map((one) => one.load()));
    }
    async render() {
      await this.load();
      this.root = E('div', { 'class': 'cbi-map' });
      this.reset();
      return this.root;
    }
    reset() {
      append(Object.assign(this.root, { innerHTML: '' }), [this.title && E('h2', {}, this.title), E('div', {}, this.description), ...this.children.map((one) => one.render())]);
    }
    checkDepends() {
      for (let changed = true; changed; ) {
        changed = false;
        for (const section of this.children) for (const id of section.ids()) for (const one of section.children) {
          const field = one.widgetOf(id), hidden = !one.isMet(id);
          if (field && field.classList.contains('hidden') !== hidden) field.classList.toggle('hidden', hidden), (changed = true);
        }
      }
    }
    async save() {
      this.checkDepends();
      this.children.forEach((one) => one.parse());
      await modules.uci.save();
      await this.load();
      if (!this.parent) this.reset();
    }
  }

  return { Map, GridSection, Value, ListValue, DynamicList, Flag, Button };
})();
