// Asks once a second what the tunnels do, and shows it. Changes nothing.
'use strict';

(() => {
  const STREAMS = 200;
  const byId = (id) => document.getElementById(id);
  const tunnels = new Tunnels(byId('tunnels'));
  const { set } = tunnels;
  let goneSince = null, code = 'en';

  const look = async () => {
    const gone = byId('gone');
    try {
      const answer = await fetch(`status.json?streams=${tunnels.listed() ? STREAMS : 0}`, { signal: AbortSignal.timeout(5000) });
      if (!answer.ok) throw new Error(answer.statusText);
      const { processes } = await answer.json();
      goneSince = null;
      set(byId('process'), tunnels.line(processes[0]));
      tunnels.show(processes);
      gone.hidden = processes[0].tunnels.length > 0;
      if (!gone.hidden) set(gone, tunnels.say('none'));
    } catch (error) {
      goneSince = goneSince || new Date();
      gone.hidden = false;
      set(gone, tunnels.say('gone', goneSince.toLocaleTimeString(code)));
    }
    setTimeout(look, document.hidden ? 5000 : 1000);
  };

  const speak = (languages) => {
    code = tunnels.speak(languages);
    document.documentElement.lang = byId('language').value = code;
    byId('language-label').textContent = tunnels.say('language');
  };
  const kept = (code) => {
    try {
      if (code) localStorage.setItem('language', code);
      return localStorage.getItem('language');
    } catch (error) {
      return null; // a browser that keeps nothing
    }
  };
  byId('language').addEventListener('change', (event) => {
    kept(event.target.value);
    speak([event.target.value]);
  });
  speak([kept(), ...navigator.languages.map((code) => code.slice(0, 2))]);
  look();
})();
