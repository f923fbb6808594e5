// @ts-check
'use strict';

// The mode of a connection of the engine: what the engine gives, and what decodes it.
//
//   frames   No extension is agreed: the engine decodes.
//   young    permessage-deflate is agreed: the engine gives bytes, a `Receiver` decodes them, until
//            the connection is old enough for the engine to take it over (`take-over.js`).
//   held     As young, but not read until what is under way on the connection has ended.
//   taken    The engine decodes, inflates and deflates.
//   leaving  A program wants bytes: the engine decodes what is left of the current message.
//   raw      The engine gives bytes, for the rest of the connection's life.

/** @typedef {'frames' | 'young' | 'held' | 'taken' | 'leaving' | 'raw'} Mode */

/**
 * What changes the mode:
 *
 *   hold     Something is under way on a young connection: it's not read for a moment.
 *   release  It's read again.
 *   take     The engine has the states of both directions.
 *   stay     The engine can't take the connection over, now or later.
 *   expose   A program asks for the receiver, or for the bytes of the socket.
 *   bytes    The first bytes after the last message have arrived.
 *
 * @typedef {'hold' | 'release' | 'take' | 'stay' | 'expose' | 'bytes'} Change
 */

/**
 * The mode after each change. What isn't in the table changes nothing.
 *
 * @type {Readonly<Record<Mode, Readonly<Partial<Record<Change, Mode>>>>>}
 */
const TRANSITIONS = Object.freeze({
  frames: Object.freeze({ expose: 'leaving' }),
  young: Object.freeze({ hold: 'held', take: 'taken', stay: 'raw', expose: 'raw' }),
  held: Object.freeze({ release: 'young', take: 'taken', stay: 'raw', expose: 'raw' }),
  taken: Object.freeze({ expose: 'leaving' }),
  leaving: Object.freeze({ bytes: 'raw' }),
  raw: Object.freeze({})
});

/**
 * @param {Mode} mode The mode
 * @param {Change} change What happens
 * @return {Mode | undefined} The next mode, nothing where it stays
 */
function modeAfter(mode, change) {
  return TRANSITIONS[mode][change];
}

/**
 * @param {Mode} mode The mode
 * @return {boolean} Whether the socket gets the bytes of the connection
 */
function givesBytes(mode) {
  return mode === 'raw' || mode === 'young' || mode === 'held';
}

/**
 * @param {Mode} mode The mode
 * @return {boolean} Whether the engine may still take the connection over
 */
function mayBeTaken(mode) {
  return mode === 'young' || mode === 'held';
}

module.exports = { givesBytes, mayBeTaken, modeAfter, TRANSITIONS };
