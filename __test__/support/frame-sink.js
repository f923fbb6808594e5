'use strict';

const { Duplex } = require('node:stream');

const { kTransport, kWebSocket } = require('../../lib/constants');
const Sender = require('../../lib/sender');

/** A socket that keeps its writes, and how many chunks each has, and a sender that owns it. */
function createFrameSink(generateMask) {
  const writes = [];
  const chunkCounts = [];
  const socket = new Duplex({
    read() {},
    write(chunk, _encoding, callback) {
      writes.push(Buffer.from(chunk));
      chunkCounts.push(1);
      setImmediate(callback);
    },
    writev(chunks, callback) {
      writes.push(Buffer.concat(chunks.map(({ chunk }) => chunk)));
      chunkCounts.push(chunks.length);
      setImmediate(callback);
    }
  });
  const sender = new Sender(socket, {}, generateMask);
  sender.coalesce();
  socket[kWebSocket] = { [kTransport]: sender };
  return { chunkCounts, sender, socket, writes };
}

module.exports = createFrameSink;
