// @ts-check
'use strict';

// What raw peers write: messages in one frame or in several, control frames, and what breaks a
// rule.

const { makeData } = require('./data');

/** One message, in one frame or in several, with control frames in between. */
function makeMessage(context, isCompressed) {
  const { random } = context;
  const isText = random.chance(0.5);
  const parts = random.weighted([
    [75, 1],
    [15, 2],
    [7, 3],
    [3, 7]
  ]);
  const compressed = isCompressed && random.chance(0.6);
  const frames = [];
  for (let i = 0; i < parts; i++) {
    const data = makeData(context, { type: 'Buffer', isText });
    if (isText && data.fill === 'utf8' && parts > 1) data.fill = 'ascii';
    frames.push({
      opcode: i > 0 ? 0 : isText ? 1 : 2,
      ...(i < parts - 1 ? { fin: false } : {}),
      ...(compressed ? { compressed } : {}),
      data
    });
    if (i < parts - 1 && random.chance(0.2)) frames.push(makeControl(context));
  }
  return frames;
}

/** A ping or a pong. */
function makeControl(context) {
  const { random } = context;
  const size = random.pick([0, 1, 4, 20, 124, 125]);
  const data = makeData(context, { type: 'Buffer', size });
  return { opcode: random.chance(0.7) ? 9 : 10, ...(size > 0 ? { data } : {}) };
}

/** A close frame that is right. */
function makeClose(context) {
  const { random } = context;
  if (random.chance(0.25)) return { opcode: 8 };
  const code = random.pick([1000, 1001, 1003, 1007, 1008, 1011, 1013, 3000, 4000, 4999]);
  if (random.chance(0.5)) return { opcode: 8, code };
  return {
    opcode: 8,
    code,
    data: makeData(context, { type: 'Buffer', isText: true, size: random.pick([1, 5, 60, 123]) })
  };
}

/** Frames that break a rule, and some that only look as if. */
const ODD = [
  (context) => ({ opcode: 1, rsv: 4, data: makeData(context, { type: 'Buffer', size: 5 }) }),
  (context) => ({
    opcode: 2,
    rsv: 4,
    fin: false,
    data: makeData(context, { type: 'Buffer', size: 5 })
  }),
  (context) => ({ opcode: 1, rsv: 2, data: makeData(context, { type: 'Buffer', size: 5 }) }),
  (context) => ({ opcode: 2, rsv: 1, data: makeData(context, { type: 'Buffer', size: 5 }) }),
  (context) => ({ opcode: 9, rsv: 4, data: makeData(context, { type: 'Buffer', size: 5 }) }),
  () => ({ opcode: 3 }),
  () => ({ opcode: 7 }),
  () => ({ opcode: 11 }),
  () => ({ opcode: 15, rsv: 7 }),
  (context) => ({ opcode: 0, data: makeData(context, { type: 'Buffer', size: 3 }) }),
  (context) => ({
    opcode: 0,
    rsv: 4,
    fin: false,
    data: makeData(context, { type: 'Buffer', size: 3 })
  }),
  () => ({ opcode: 9, fin: false }),
  () => ({ opcode: 8, fin: false }),
  (context) => ({ opcode: 9, data: makeData(context, { type: 'Buffer', size: 126 }) }),
  (context) => ({ opcode: 10, wide: 2, data: makeData(context, { type: 'Buffer', size: 5 }) }),
  (context) => ({
    opcode: 1,
    wide: 2,
    data: makeData(context, { type: 'Buffer', size: 5, isText: true })
  }),
  (context) => ({ opcode: 2, wide: 8, data: makeData(context, { type: 'Buffer', size: 300 }) }),
  () => ({ opcode: 8, hex: '03' }),
  () => ({ opcode: 8, code: 999 }),
  () => ({ opcode: 8, code: 1004 }),
  () => ({ opcode: 8, code: 1005 }),
  () => ({ opcode: 8, code: 1006 }),
  () => ({ opcode: 8, code: 1015 }),
  () => ({ opcode: 8, code: 2999 }),
  () => ({ opcode: 8, code: 5000 }),
  () => ({ opcode: 8, code: 1000, hex: 'ff' }),
  () => ({ opcode: 8, code: 1000, hex: 'cebae1bdb9cf83cebcceb5eda080656469746564' }),
  () => ({ opcode: 1, hex: 'ff' }),
  () => ({ opcode: 1, hex: '61e282' }),
  () => ({ opcode: 1, fin: false, hex: 'e282' }),
  () => ({ opcode: 0, hex: 'ac' }),
  (context) => ({
    opcode: 1,
    data: { ...makeData(context, { type: 'Buffer', size: 1000 }), fill: 'invalid' }
  }),
  (context) => ({
    opcode: 1,
    data: { ...makeData(context, { type: 'Buffer', size: 70000 }), fill: 'invalid' }
  }),
  () => ({ opcode: 2, claim: 2 ** 53, wide: 8 }),
  () => ({ opcode: 2, claim: 2 ** 53 - 1, wide: 8 }),
  () => ({ opcode: 2, claim: 100, hex: '0102' }),
  () => ({ opcode: 2, claim: 70000, hex: '0102' }),
  (context) => ({ opcode: 2, masked: false, data: makeData(context, { type: 'Buffer', size: 5 }) }),
  (context) => ({ opcode: 2, masked: true, data: makeData(context, { type: 'Buffer', size: 5 }) }),
  (context) => ({
    opcode: 2,
    masked: true,
    zero: true,
    data: makeData(context, { type: 'Buffer', size: 5 })
  }),
  () => ({ opcode: 1, rsv: 4, hex: 'ff00ff' }),
  () => ({ opcode: 1, rsv: 4, hex: '' }),
  () => ({ opcode: 2, rsv: 4, hex: '030000' }),
  () => ({ opcode: 2, rsv: 4, fin: false, hex: 'f248cdc9c90700' }),
  () => ({ opcode: 1, rsv: 4, hex: 'f348cdc9c90700' })
];

/**
 * Makes what a raw peer writes at a time.
 *
 * @param {any} context What the program is made with
 * @param {boolean} isClient Whether the peer is the client
 * @return {import('../frames').Frame[]} The frames
 */
function makeFrames(context, isClient) {
  const { random, theme } = context;
  const isCompressed = (theme.deflate ?? 0) > 0.5;
  const count = random.weighted([
    [50, 1],
    [25, 2],
    [15, 4],
    [7, 10],
    [3, 40]
  ]);
  const frames = [];
  for (let i = 0; i < count; i++) {
    const kind = random.weighted([
      [70, 'message'],
      [20, 'control'],
      [theme.closing ?? 2, 'close'],
      [theme.odd ?? 1, 'odd']
    ]);
    if (kind === 'message') frames.push(...makeMessage(context, isCompressed));
    else if (kind === 'control') frames.push(makeControl(context));
    else if (kind === 'close') frames.push(makeClose(context));
    else {
      const frame = random.pick(ODD)(context);
      // What a server sends unmasked is right, what a client does is not.
      if (frame.masked === isClient) delete frame.masked;
      frames.push(frame);
    }
  }
  return frames;
}

module.exports = { makeFrames };
