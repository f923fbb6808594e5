// @ts-check
'use strict';

// The browser's side of a WebSocket: event objects, and `addEventListener()` on top of
// `EventEmitter`.
//
// A listener that is added here is wrapped in a function that builds the event object, and the
// wrapper is registered with `on()`. The wrapper carries the function that the user gave
// (`kListener`) and whether it stands for an `on*` attribute (`kForOnEventAttribute`), which is how
// it's found again.

const { kCloseCause, kForOnEventAttribute, kListener } = require('./constants');

/** What all events have in common. */
class Event {
  #target;
  #type;

  /**
   * @param {string} type The name of the event
   * @param {object} [_init] Attributes: there are none
   * @param {any} [target=null] The object that the event is dispatched on
   */
  constructor(type, _init = {}, target = null) {
    this.#target = target;
    this.#type = type;
  }

  /** @return {any} The object that the event was dispatched on */
  get target() {
    return this.#target;
  }

  /** @return {string} The name of the event */
  get type() {
    return this.#type;
  }
}

/** Says that the connection is closed. */
class CloseEvent extends Event {
  #cause;
  #code;
  #reason;
  #wasClean;

  /**
   * @param {string} type The name of the event
   * @param {{ cause?: Error | null, code?: number, reason?: string, wasClean?: boolean }} [init]
   *     The attributes
   * @param {any} [target=null] The object that the event is dispatched on
   */
  constructor(type, init = {}, target = null) {
    super(type, init, target);
    const { cause = null, code = 0, reason = '', wasClean = false } = init;
    this.#cause = cause;
    this.#code = code;
    this.#reason = reason;
    this.#wasClean = wasClean;
  }

  /** @return {Error | null} What went wrong, if something did; not part of ws */
  get cause() {
    return this.#cause;
  }

  /** @return {number} The close code */
  get code() {
    return this.#code;
  }

  /** @return {string} The close reason */
  get reason() {
    return this.#reason;
  }

  /** @return {boolean} Whether a close frame went both ways */
  get wasClean() {
    return this.#wasClean;
  }
}

/** Says that something failed. */
class ErrorEvent extends Event {
  #error;
  #message;

  /**
   * @param {string} type The name of the event
   * @param {{ error?: any, message?: string }} [init] The attributes
   * @param {any} [target=null] The object that the event is dispatched on
   */
  constructor(type, init = {}, target = null) {
    super(type, init, target);
    const { error = null, message = '' } = init;
    this.#error = error;
    this.#message = message;
  }

  /** @return {any} What was thrown or emitted */
  get error() {
    return this.#error;
  }

  /** @return {string} Its text */
  get message() {
    return this.#message;
  }
}

/** Brings a message. */
class MessageEvent extends Event {
  #data;

  /**
   * @param {string} type The name of the event
   * @param {{ data?: any }} [init] The attributes
   * @param {any} [target=null] The object that the event is dispatched on
   */
  constructor(type, init = {}, target = null) {
    super(type, init, target);
    const { data = null } = init;
    this.#data = data;
  }

  /** @return {any} A string for text, a value as `binaryType` says for binary messages */
  get data() {
    return this.#data;
  }
}

for (const eventClass of [Event, CloseEvent, ErrorEvent, MessageEvent]) {
  for (const name of Object.getOwnPropertyNames(eventClass.prototype)) {
    // What ws doesn't have isn't listed.
    if (name === 'constructor' || name === 'cause') continue;
    Object.defineProperty(eventClass.prototype, name, { enumerable: true });
  }
}

/** @typedef {(websocket: any, first?: any, second?: any) => Event} EventFactory */

/**
 * For each event type that can be listened to: makes the event object from what the `WebSocket`
 * emits.
 *
 * @type {Map<string, EventFactory>}
 */
const eventFactories = new Map([
  ['open', /** @type {EventFactory} */ ((websocket) => new Event('open', {}, websocket))],
  ['message', createMessageEvent],
  ['error', createErrorEvent],
  ['close', createCloseEvent]
]);

/**
 * @param {any} websocket The `WebSocket`
 * @param {any} data The payload
 * @param {boolean} isBinary Whether it's a binary message
 * @return {MessageEvent} The event, with text as a string
 * @private
 */
function createMessageEvent(websocket, data, isBinary) {
  return new MessageEvent('message', { data: isBinary ? data : data.toString() }, websocket);
}

/**
 * @param {any} websocket The `WebSocket`
 * @param {Error} error The error
 * @return {ErrorEvent} The event
 * @private
 */
function createErrorEvent(websocket, error) {
  return new ErrorEvent('error', { error, message: error.message }, websocket);
}

/**
 * @param {any} websocket The `WebSocket`
 * @param {number} code The close code
 * @param {Buffer} reason The close reason
 * @return {CloseEvent} The event
 * @private
 */
function createCloseEvent(websocket, code, reason) {
  const wasClean = websocket._closeFrameReceived && websocket._closeFrameSent;

  const cause = websocket[kCloseCause];

  return new CloseEvent('close', { cause, code, reason: reason.toString(), wasClean }, websocket);
}

/**
 * Hands an event to a listener, which may be an object with a method `handleEvent()`.
 *
 * @param {any} listener What the user gave
 * @param {any} websocket The value of `this` in a function
 * @param {Event} event The event
 * @private
 */
function callListener(listener, websocket, event) {
  if (typeof listener === 'object' && listener.handleEvent) {
    listener.handleEvent(event);
  } else {
    listener.call(websocket, event);
  }
}

/**
 * Makes the function that is registered in the place of a listener.
 *
 * @param {Function | { handleEvent: Function }} listener What the user gave
 * @param {EventFactory} createEvent Makes the event object
 * @param {boolean} isAttribute Whether it stands for an `on*` attribute
 * @return {(this: any, first: any, second: any) => void} The wrapper
 * @private
 */
function wrap(listener, createEvent, isAttribute) {
  /**
   * @this {any}
   * @param {any} first What the event brings
   * @param {any} second What it brings beside
   */
  function wrapper(first, second) {
    callListener(listener, this, createEvent(this, first, second));
  }

  return Object.assign(wrapper, { [kForOnEventAttribute]: isAttribute, [kListener]: listener });
}

/**
 * Finds the wrapper of a listener that was added with `addEventListener()`.
 *
 * @param {any} emitter The `WebSocket`
 * @param {string} type The name of the event
 * @param {any} listener What the user gave
 * @return {Function | undefined} The wrapper
 * @private
 */
function findWrapper(emitter, type, listener) {
  return emitter
    .listeners(type)
    .find(
      (/** @type {any} */ wrapper) =>
        wrapper[kListener] === listener && !wrapper[kForOnEventAttribute]
    );
}

/** The methods of `EventTarget`, to be put on the prototype of an `EventEmitter`. */
const EventTarget = {
  /**
   * Adds a listener for `open`, `message`, `error` or `close`; other types are ignored, and so is a
   * listener that is there already.
   *
   * @this {any}
   * @param {string} type The name of the event
   * @param {Function | { handleEvent: Function }} listener What to call
   * @param {{ once?: boolean }} [options] `once`: remove the listener when it's called
   */
  addEventListener(type, listener, options = {}) {
    const isAttribute = Boolean(/** @type {any} */ (options)[kForOnEventAttribute]);
    const createEvent = eventFactories.get(type);

    if (createEvent === undefined) return;
    if (!isAttribute && findWrapper(this, type, listener)) return;

    const wrapper = wrap(listener, createEvent, isAttribute);

    if (options.once) this.once(type, wrapper);
    else this.on(type, wrapper);
  },

  /**
   * Removes a listener that was added with `addEventListener()`.
   *
   * @this {any}
   * @param {string} type The name of the event
   * @param {Function | { handleEvent: Function }} listener What was given when it was added
   */
  removeEventListener(type, listener) {
    const wrapper = findWrapper(this, type, listener);

    if (wrapper) this.removeListener(type, wrapper);
  }
};

/**
 * Finds the wrapper of the listener in an `on*` attribute.
 *
 * @param {any} emitter The `WebSocket`
 * @param {string} type The name of the event
 * @return {any} The wrapper, or `undefined`
 * @private
 */
function findAttributeWrapper(emitter, type) {
  return emitter
    .listeners(type)
    .find((/** @type {any} */ wrapper) => wrapper[kForOnEventAttribute]);
}

/**
 * Describes the attribute `on*` for an event type.
 *
 * @param {string} type The name of the event
 * @return {PropertyDescriptor} The descriptor of the accessor
 */
function onEventAttribute(type) {
  return {
    configurable: true,
    enumerable: true,
    get() {
      return findAttributeWrapper(this, type)?.[kListener] ?? null;
    },
    set(handler) {
      const wrapper = findAttributeWrapper(this, type);

      if (wrapper) /** @type {any} */ (this).removeListener(type, wrapper);
      if (typeof handler !== 'function') return;

      /** @type {any} */ (this).addEventListener(type, handler, { [kForOnEventAttribute]: true });
    }
  };
}

module.exports = {
  CloseEvent,
  ErrorEvent,
  Event,
  EventTarget,
  MessageEvent,
  onEventAttribute
};
