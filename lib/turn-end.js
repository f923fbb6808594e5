// @ts-check
'use strict';

// What several ticks of one turn of the event loop send leaves together, before the loop waits.
//
// A handler that awaits something, a promise that a timer or an immediate resolves, goes on in a
// tick of its own, and so does each of a thousand. Their frames would be a system call each if they
// left at the end of the tick. While few ticks send, they do: nothing is to be late that nothing
// else can join. So a turn is looked at now and then; where several ticks of it send, the others
// and those of the turns that follow put it off.

const { nextTick, now } = require('./host');
const native = require('./native');

/** This many ticks of a turn send at once; what later ones send leaves at the turn's end. */
const FEW = 2;
/** After this many turns another one is looked at that may be quiet. */
const BUSY_TURNS = 32;
/** Of quiet ticks at most this many pass between two turns that are looked at. */
const MAX_PAUSE = 64;
/** What was put off leaves after this many milliseconds, however long the turn is. */
const MAX_DELAY_MS = 4;
/**
 * Ticks that take longer, in milliseconds for each message, gain too little by waiting for others;
 * that is known after this many messages, or this many milliseconds.
 */
const SLOW_MS = 0.03;
const ENOUGH_MESSAGES = 8;
const ENOUGH_MS = 0.5;
/** The clock is looked at after at most this many messages. */
const MAX_UNWATCHED = 64;

/**
 * Decides when what a tick sends leaves.
 */
class TurnEnd {
  /**
   * @param {() => boolean} await_ Has `end` called at the end of the turn; `false` where it's
   *   ending
   * @param {() => number} [clock] Gives the time in milliseconds
   */
  constructor(await_, clock = now) {
    this._await = await_;
    this._clock = clock;
    /** Whether the end of this turn will be heard of. */
    this._isAwaited = false;
    /** Whether what is sent leaves at the end of turns; in how many it did. */
    this._isBusy = false;
    this._busyTurns = 0;
    /** Ticks that have sent: of this turn, or since the latest that was looked at. */
    this._ticks = 0;
    this._pause = 1;
    /** When something was put off first, and how many messages were since. */
    this._since = 0;
    this._messages = 0;
    this._unwatched = 0;
    /** @type {{endTurn: () => void}[]} What has put something off. */
    this._waiting = [];
  }

  /**
   * Notes that a tick has something to send for the first time since that left last.
   *
   * @param {{endTurn: () => void}} sender What sends, and is called at the end of the turn
   * @return {boolean} Whether it's put off until then; if not, it's to leave at the end of the tick
   */
  puts(sender) {
    this._ticks++;
    if (!this._isAwaited) {
      if (this._ticks < this._pause || !this._await()) return false;
      this._isAwaited = true;
      this._ticks = 1;
      this._since = 0;
    }
    if (!this._isBusy) {
      if (this._ticks <= FEW) return false;
      this._isBusy = true;
      this._busyTurns = 0;
      this._pause = 1;
    }
    if (this._since === 0) this._watch();
    this._waiting.push(sender);
    return true;
  }

  /**
   * Notes that something more is put off.
   *
   * @return {boolean} Whether that, and what was put off before, is to leave now
   */
  isLate() {
    if (++this._messages < this._unwatched) return false;
    const delay = this._clock() - this._since;
    const each = delay / this._messages;
    if (each > SLOW_MS && (this._messages >= ENOUGH_MESSAGES || delay > ENOUGH_MS)) {
      // What is sent from now on leaves with its tick.
      this._isBusy = false;
      this._ticks = -MAX_PAUSE;
      this._pause = MAX_PAUSE;
      return true;
    }
    if (delay > MAX_DELAY_MS) {
      this._watch();
      return true;
    }
    const rest = (MAX_DELAY_MS - delay) / (each || SLOW_MS);
    this._unwatched = this._messages + Math.max(1, Math.min(MAX_UNWATCHED, rest));
    return false;
  }

  /**
   * Ends the turn.
   */
  end() {
    this._isAwaited = false;
    if (this._isBusy) {
      if (++this._busyTurns >= BUSY_TURNS) this._isBusy = false;
    } else {
      this._pause = Math.min(2 * this._pause, MAX_PAUSE);
    }
    this._ticks = 0;
    const waiting = this._waiting;
    this._waiting = [];
    for (const sender of waiting) sender.endTurn();
  }

  /**
   * Looks at the clock.
   *
   * @private
   */
  _watch() {
    this._since = this._clock();
    this._messages = 0;
    this._unwatched = 1;
  }
}

/**
 * Makes the one of this thread.
 *
 * @return {TurnEnd} It never puts anything off where nothing tells of the end of a turn
 */
function createTurnEnd() {
  // Bun has libuv's functions by name, and ends the process when one is called. Electron waits for
  // events elsewhere, before libuv is asked again.
  const isNode = !process.versions.bun && !process.versions.electron && !process.versions.nw;
  const handle = (isNode && native.createTurnEnd?.(() => turnEnd.end())) || null;
  const turnEnd = new TurnEnd(() => handle !== null && native.awaitTurnEnd(handle));
  return turnEnd;
}

/** @type {TurnEnd | undefined} */
let turnEnd;

/**
 * @return {TurnEnd} The one of this thread
 */
function getTurnEnd() {
  turnEnd ??= createTurnEnd();
  return turnEnd;
}

/**
 * Sees to it that what is sent leaves: at the end of the tick, or of the turn.
 */
class Departure {
  /**
   * @param {() => void} leave Sends what waits
   */
  constructor(leave) {
    this._leave = leave;
    /** Whether that is seen to already, and whether at the end of the turn. */
    this._isScheduled = false;
    this._isPutOff = false;
    this._onTickEnd = () => this._end();
  }

  /**
   * Notes that something waits.
   *
   * @param {boolean} isDispatching Whether events are handed out: it leaves when that is done
   */
  schedule(isDispatching) {
    if (this._isScheduled || isDispatching) {
      if (this._isPutOff && getTurnEnd().isLate()) this.endTurn();
      return;
    }
    this._isScheduled = true;
    this._isPutOff = getTurnEnd().puts(this);
    if (!this._isPutOff) nextTick(this._onTickEnd);
  }

  /**
   * Lets what was put off leave at the end of this tick: a program may wait for a callback before
   * it goes on.
   */
  hurry() {
    if (!this._isPutOff) return;
    this._isPutOff = false;
    nextTick(this._onTickEnd);
  }

  /**
   * Lets what was put off leave now.
   */
  endTurn() {
    if (!this._isPutOff) return;
    this._isPutOff = false;
    this._end();
  }

  /**
   * @private
   */
  _end() {
    this._isScheduled = false;
    this._leave();
  }
}

module.exports = { Departure, getTurnEnd, TurnEnd };
