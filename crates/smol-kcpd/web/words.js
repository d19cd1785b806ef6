// What the page says, in three languages.
'use strict';

const WORDS = {
  en: {
    language: 'Language', process: 'Version {0}, running for {1}, {2} of {3} of memory used',
    gone: 'smol-kcpd does not answer since {0}. Is it running? The page goes on by itself when it does.',
    none: 'No tunnel is running. The next reload starts those of the file.',
    up: 'up', idle: 'idle', degraded: 'degraded', down: 'down',
    s_up: '{0} works. Open connections: {1}, round trip {2}, lost so far {3}.', s_idle: '{0} is ready, and nobody uses it.',
    s_degraded: '{0} runs, but not everything works.', s_down: '{0} carries nothing.',
    client: 'Client: TCP {0} to server {1}', server: 'Server: UDP {0} to target {1}',
    facts: '{0} of {1} connections, {2} so far, {3} failed', for: '{0}, for {1}',
    a_listen: 'Another program may have that address, or it is not one of this machine: change `listen`, or end the other. It is tried again by itself.',
    a_lookup: 'Is the name of the server right, and does this machine reach its DNS? It is tried again by itself.',
    a_server: 'Is the server running, is its UDP port open in its firewall, and do the keys of both sides fit? `smol-kcpd ping` tells more. It is tried again by itself.',
    a_target: 'Is the program that the tunnel leads to running, and is `target` right?',
    a_room: 'Raise `max_connections` at the end that is full, or let fewer programs use the tunnel.',
    rate: 'Rate', rtt: 'Round trip', loss: 'Lost', sent: 'sent', received: 'received', queue: 'queue', there: 'there', back: 'back',
    top: 'top {0}', peers: 'Peers', peer: 'peer', streams: 'streams', carries: 'path carries', mtu: 'MTU', more: 'and {0} more',
    round: 'all', list: 'Streams ({0})', state: 'state', waits: 'waits for', again: 'sent again', unknown: 'unknown',
    encrypted: 'encrypted', plain: 'NOT ENCRYPTED', minutes: 'the last 5 minutes'
  },
  de: {
    language: 'Sprache', process: 'Version {0}, läuft seit {1}, {2} von {3} Speicher belegt',
    gone: 'smol-kcpd antwortet seit {0} nicht. Läuft es? Die Seite macht von selbst weiter, sobald es antwortet.',
    none: 'Kein Tunnel läuft. Das nächste Neuladen startet die der Datei.',
    up: 'läuft', idle: 'bereit', degraded: 'gestört', down: 'unterbrochen',
    s_up: '{0} läuft. Offene Verbindungen: {1}, Umlaufzeit {2}, bisher verloren {3}.', s_idle: '{0} ist bereit, und niemand benutzt ihn.',
    s_degraded: '{0} läuft, aber nicht alles geht.', s_down: '{0} trägt nichts.',
    client: 'Client: TCP {0} zum Server {1}', server: 'Server: UDP {0} zum Ziel {1}',
    facts: '{0} von {1} Verbindungen, bisher {2}, davon {3} gescheitert', for: '{0}, seit {1}',
    a_listen: 'Ein anderes Programm hat vielleicht diese Adresse, oder sie ist keine dieses Geräts: `listen` ändern oder das andere beenden. Es wird von selbst wieder versucht.',
    a_lookup: 'Stimmt der Name des Servers, und erreicht dieses Gerät sein DNS? Es wird von selbst wieder versucht.',
    a_server: 'Läuft der Server, ist sein UDP-Port in der Firewall offen, und passen die Schlüssel beider Seiten? `smol-kcpd ping` sagt mehr. Es wird von selbst wieder versucht.',
    a_target: 'Läuft das Programm, zu dem der Tunnel führt, und stimmt `target`?',
    a_room: '`max_connections` an dem vollen Ende erhöhen, oder weniger Programme durch den Tunnel lassen.',
    rate: 'Rate', rtt: 'Umlaufzeit', loss: 'Verlust', sent: 'gesendet', received: 'empfangen', queue: 'Warteschlange', there: 'hin', back: 'zurück',
    top: 'oben {0}', peers: 'Gegenstellen', peer: 'Gegenstelle', streams: 'Ströme', carries: 'Weg trägt', mtu: 'MTU', more: 'und {0} weitere',
    round: 'ganz', list: 'Ströme ({0})', state: 'Zustand', waits: 'wartet auf', again: 'wiederholt', unknown: 'unbekannt',
    encrypted: 'verschlüsselt', plain: 'NICHT VERSCHLÜSSELT', minutes: 'die letzten 5 Minuten'
  },
  zh: {
    language: '语言', process: '版本 {0}，已运行 {1}，内存已用 {2}，上限 {3}',
    gone: 'smol-kcpd 自 {0} 起没有响应。它在运行吗？恢复后本页会自动继续。',
    none: '没有隧道在运行。下次重新加载会启动配置文件中的隧道。',
    up: '正常', idle: '空闲', degraded: '异常', down: '中断',
    s_up: '{0} 正在承载 {1} 个连接，往返时间 {2}，丢包 {3}。', s_idle: '{0} 已就绪，目前无人使用。',
    s_degraded: '{0} 在运行，但有部分功能不正常。', s_down: '{0} 无法承载任何连接。',
    client: '客户端：TCP {0}，服务器 {1}', server: '服务器：UDP {0}，目标 {1}',
    facts: '连接 {0}（上限 {1}），累计 {2}，失败 {3}', for: '{0}，已持续 {1}',
    a_listen: '该地址可能被其他程序占用，或不属于本机：请修改 `listen` 或结束那个程序。程序会自动重试。',
    a_lookup: '服务器名称是否正确？本机能否访问 DNS？程序会自动重试。',
    a_server: '服务器是否在运行？防火墙是否放行其 UDP 端口？双方密钥是否匹配？`smol-kcpd ping` 可提供更多信息。程序会自动重试。',
    a_target: '隧道所指向的程序是否在运行？`target` 是否正确？',
    a_room: '请在已满的一端提高 `max_connections`，或减少使用隧道的程序。',
    rate: '速率', rtt: '往返时间', loss: '丢包', sent: '发送', received: '接收', queue: '队列', there: '去程', back: '回程',
    top: '最大 {0}', peers: '对端', peer: '对端', streams: '流', carries: '链路速率', mtu: 'MTU', more: '另有 {0} 个',
    round: '全程', list: '流（{0}）', state: '状态', waits: '等待', again: '重传', unknown: '未知',
    encrypted: '已加密', plain: '未加密', minutes: '最近 5 分钟'
  }
};
