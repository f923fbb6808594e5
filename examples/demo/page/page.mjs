// The page: one WebSocket, the chat, and the figures.

import { Sparkline } from './sparkline.mjs';

const PROBE_INTERVAL = 500;
const LOAD_DURATION = 10_000;
const LOAD_IN_FLIGHT = 128;
const LOAD_SIZE = 64;
const PROBE_SIZE = 8; // one float64: the time at which it was sent
const MAX_LINES = 300;
const RECONNECT_DELAYS = [500, 1000, 2000, 4000, 8000];

const NAMES = {
  first: ['Brisk', 'Calm', 'Clever', 'Gentle', 'Keen', 'Lucky', 'Merry', 'Quiet', 'Sunny', 'Swift'],
  last: ['Badger', 'Crane', 'Falcon', 'Heron', 'Lynx', 'Marten', 'Otter', 'Owl', 'Ox', 'Swan']
};

/** @param {string} id @return {any} The element of that id */
const element = (id) => document.getElementById(id);
const numbers = new Intl.NumberFormat('en');
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

const charts = {
  connections: new Sparkline(element('connections-chart'), 4),
  messages: new Sparkline(element('messages-chart'), 50),
  roundTrip: new Sparkline(element('round-trip-chart'), 2)
};

/** @type {WebSocket | undefined} */
let socket;
let ownId = 0;
let attempts = 0;
let retryTimer = 0;
let roundTrips = [];
const counts = { sent: 0, received: 0 };
const load = { until: 0, size: 0, done: 0, started: 0 };

// Names live as long as the window: each window is somebody else.

/** @return {string} A name for somebody who has not given one */
function inventName() {
  const pick = (list) => list[Math.floor(Math.random() * list.length)];
  return `${pick(NAMES.first)} ${pick(NAMES.last)}`;
}
element('name').value = sessionStorage.getItem('name') || inventName();

// Connection

/**
 * Shows what the connection is doing.
 *
 * @param {'connecting' | 'open' | 'closed'} state For the colour
 * @param {string} text What to say
 */
function showState(state, text) {
  element('state').dataset.state = state;
  element('state').textContent = text;
  element('toggle').textContent = state === 'open' ? 'Disconnect' : 'Connect';
  document.body.dataset.state = state;
  for (const id of ['send', 'load', 'race', 'text']) element(id).disabled = state !== 'open';
}

/**
 * Sends a message and counts it.
 *
 * @param {object | BufferSource} message An object goes as JSON
 */
function send(message) {
  if (socket?.readyState !== WebSocket.OPEN) return;
  counts.sent++;
  socket.send(ArrayBuffer.isView(message) ? message : JSON.stringify(message));
}

/** Opens the connection. */
function connect() {
  clearTimeout(retryTimer);
  socket?.close();
  showState('connecting', 'Connecting');
  const opening = new WebSocket(
    `${location.protocol.replace('http', 'ws')}//${location.host}/room`
  );
  socket = opening;
  opening.binaryType = 'arraybuffer';
  opening.onopen = () => {
    attempts = 0;
    roundTrips = [];
    showState('open', 'Connected');
    element('extensions').textContent = opening.extensions || 'none';
    introduce();
    probe();
  };
  opening.onmessage = ({ data }) => {
    counts.received++;
    if (typeof data === 'string') receive(JSON.parse(data));
    else receiveEcho(data);
  };
  opening.onclose = () => {
    if (socket !== opening) return;
    stopLoad();
    reconnectLater();
  };
}

/**
 * Waits longer after each attempt that failed, and a little at random so that not all come at once.
 */
function reconnectLater() {
  const delay = RECONNECT_DELAYS[Math.min(attempts++, RECONNECT_DELAYS.length - 1)];
  showState('connecting', 'Connection lost, reconnecting');
  retryTimer = setTimeout(connect, delay * (0.75 + Math.random() / 2));
}

/** Closes the connection and leaves it closed. */
function disconnect() {
  clearTimeout(retryTimer);
  stopLoad();
  const closing = socket;
  socket = undefined;
  closing?.close(1000);
  showState('closed', 'Disconnected');
  element('people').replaceChildren();
}

// Chat

/** Tells the server who is here. */
function introduce() {
  const name = element('name').value.trim() || inventName();
  element('name').value = name;
  sessionStorage.setItem('name', name);
  send({ type: 'hello', name });
}

/**
 * Handles a text message of the server.
 *
 * @param {any} message The object
 */
function receive(message) {
  switch (message.type) {
    case 'welcome':
      ownId = message.id;
      showSource(message.source);
      element('log').replaceChildren();
      for (const line of message.history) showLine(line);
      break;
    case 'chat':
    case 'notice':
      showLine(message);
      break;
    case 'people':
      showPeople(message.people);
      break;
    case 'stats':
      showStats(message);
      break;
    case 'race':
      showRace(message);
      break;
  }
}

/**
 * Makes an element. Text goes in as text, never as markup.
 *
 * @param {string} tag Its tag
 * @param {string} className Its class
 * @param {...(string | Node)} content What is in it
 * @return {HTMLElement} The element
 */
function make(tag, className, ...content) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...content);
  return made;
}

/**
 * Gives each person a colour.
 *
 * @param {HTMLElement} target What to colour
 * @param {number} id The person
 */
function colour(target, id) {
  target.style.setProperty('--hue', String((id * 137.5) % 360)); // the golden angle: neighbours differ
}

/**
 * Adds a line to the chat.
 *
 * @param {{ type: string, id: number, name: string, text: string, time: number }} line The line
 */
function showLine(line) {
  const log = element('log');
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  const own = line.id === ownId;
  let item;
  if (line.type === 'notice') {
    item = make('p', 'event', line.text);
  } else {
    const first = log.lastElementChild?.dataset.author !== String(line.id);
    item = make('p', `line${own ? ' own' : ''}${first ? ' first' : ''}`);
    item.dataset.author = String(line.id);
    if (first) {
      const who = make('span', 'who', own ? 'You' : line.name);
      colour(who, line.id);
      who.append(make('time', '', clock.format(line.time)));
      item.append(who);
    }
    item.append(make('span', 'text', line.text));
  }
  log.append(item);
  while (log.childElementCount > MAX_LINES) log.firstElementChild.remove();
  if (atEnd || own) log.scrollTop = log.scrollHeight;
  else element('newer').hidden = false;
}

/**
 * Shows who is here.
 *
 * @param {{ id: number, name: string }[]} people Everybody
 */
function showPeople(people) {
  const items = people.map(({ id, name }) => {
    const item = make('li', '', make('span', '', name));
    if (id === ownId) item.append(make('small', '', '(you)'));
    colour(item, id);
    return item;
  });
  element('people').replaceChildren(...items);
}

// Figures

/**
 * Shows the figures of the server.
 *
 * @param {{
 *   connections: number, received: number, sent: number, cpu: number, memory: number,
 *   own: { carrier: string, payload: number, wire: number }
 * }} stats The figures, and those of this window's connection
 */
function showStats({ connections, received, sent, cpu, memory, own }) {
  element('carrier').textContent = own.carrier;
  const saved = 1 - own.wire / own.payload;
  element('saved').textContent = saved > 0 ? `${Math.round(saved * 100)} % of the bytes` : '–';
  charts.connections.push(connections);
  charts.messages.push(received + sent);
  element('connections').textContent = numbers.format(connections);
  element('connections-detail').textContent = connections === 1 ? 'window open' : 'windows open';
  element('messages').textContent = numbers.format(received + sent);
  element('messages-detail').textContent =
    `${numbers.format(received)} in · ${numbers.format(sent)} out`;
  element('cpu').textContent = `${cpu} % of a core`;
  element('memory').textContent = `${numbers.format(Math.round(memory / 1024 / 1024))} MiB`;
  element('sent').textContent = numbers.format(counts.sent);
  element('received').textContent = numbers.format(counts.received);
  if (load.until > 0) showLoad();
}

/** Sends the time; the echo tells how long the way takes. */
function probe() {
  send(Float64Array.of(performance.now()));
}

/**
 * Handles an echo: of a probe, or of a message of a burst.
 *
 * @param {ArrayBuffer} data What came back
 */
function receiveEcho(data) {
  if (data.byteLength !== PROBE_SIZE) {
    load.done++;
    if (performance.now() < load.until) send(load.payload);
    return;
  }
  const elapsed = performance.now() - new Float64Array(data)[0];
  roundTrips.push(elapsed);
  if (roundTrips.length > 20) roundTrips.shift();
  const sorted = roundTrips.toSorted((a, b) => a - b);
  charts.roundTrip.push(elapsed);
  element('round-trip').textContent = elapsed.toFixed(elapsed < 10 ? 2 : 0);
  const median = sorted[sorted.length >> 1];
  element('round-trip-detail').replaceChildren(
    `median ${median.toFixed(2)}`,
    make('span', 'wide', ` · min ${sorted[0].toFixed(2)}`)
  );
}

// Load

/** Starts a burst. */
function startLoad() {
  load.started = performance.now();
  load.until = load.started + LOAD_DURATION;
  load.done = 0;
  load.payload = crypto.getRandomValues(new Uint8Array(LOAD_SIZE));
  element('load').textContent = 'Stop';
  element('load').ariaPressed = 'true';
  for (let i = 0; i < LOAD_IN_FLIGHT; i++) send(load.payload);
  load.timer = setTimeout(stopLoad, LOAD_DURATION);
}

/** Ends the burst. */
function stopLoad() {
  if (load.until === 0) return;
  clearTimeout(load.timer);
  showLoad();
  load.until = 0;
  element('load').textContent = 'Send a burst';
  element('load').ariaPressed = 'false';
}

/** Shows how far the burst is. */
function showLoad() {
  const seconds = (performance.now() - load.started) / 1000;
  element('load-detail').textContent =
    `${numbers.format(load.done)} echoed, ${numbers.format(Math.round(load.done / seconds))} / s`;
}

// The race

/**
 * Shows how far a race is.
 *
 * @param {{
 *   runs: { contender: string, rates: number[], rate?: number, cpu?: number, error?: string }[],
 *   isOver: boolean
 * }} race The runs in their order
 */
function showRace({ runs, isOver }) {
  const latest = runs.map((run) => run.rate ?? run.rates.at(-1) ?? 0);
  const top = Math.max(...latest, 1);
  element('race-rows').replaceChildren(
    ...runs.map((run, index) => {
      const bar = make('span', 'bar');
      bar.style.setProperty('--share', String(latest[index] / top));
      const figure = run.error ?? `${numbers.format(latest[index])} / s`;
      const label = make('span', 'label', make('b', '', run.contender), make('span', '', figure));
      return make('div', `run ${run.contender}`, label, bar);
    })
  );
  element('race').disabled = !isOver || socket?.readyState !== WebSocket.OPEN;
  element('race').textContent = isOver ? 'Run both again' : 'Running …';
  const [first, second] = runs;
  element('race-result').textContent =
    isOver && first.rate && second.rate
      ? `${(second.rate / first.rate).toFixed(1)} times as many messages, ` +
        `${second.cpu.toFixed(2)} instead of ${first.cpu.toFixed(2)} µs of processor time for each.`
      : '';
}

/**
 * Shows where the source is.
 *
 * @param {string} source The address
 */
function showSource(source) {
  element('source').href = source;
  element('source').hidden = false;
}

// Controls

element('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = element('text').value.trim();
  if (text === '') return;
  send({ type: 'chat', text });
  element('text').value = '';
});
element('name').addEventListener('change', introduce);
element('name').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter') return;
  event.preventDefault();
  element('text').focus();
});
element('toggle').addEventListener('click', () => {
  if (socket?.readyState === WebSocket.OPEN) disconnect();
  else connect();
});
element('another').addEventListener('click', () => {
  open(location.href, '_blank', 'noopener,width=900,height=760');
});
element('load').addEventListener('click', () => {
  if (load.until > 0) stopLoad();
  else startLoad();
});
element('race').addEventListener('click', () => send({ type: 'race' }));
element('newer').addEventListener('click', () => {
  element('log').scrollTop = element('log').scrollHeight;
});
element('log').addEventListener('scroll', () => {
  const log = element('log');
  if (log.scrollHeight - log.scrollTop - log.clientHeight < 60) element('newer').hidden = true;
});

setInterval(probe, PROBE_INTERVAL);
connect();
