// @ts-check
'use strict';

// What the steps and the listeners of a program do: one function for each operation, by its name.
// Each gets the run, the endpoint, the operation and the lane to note things in. What it returns or
// throws is noted down by the caller.

const { bytesOf, valueFor } = require('./data');
const { encode } = require('./frames');
const { describe, describeError } = require('./trace');

/** Marks what a program throws on purpose. */
const kThrown = Symbol('thrown');

/** Makes the callback of an operation, which notes that it was called, and goes on. */
function callbackOf(run, end, operation, what) {
  if (!operation.callback) return undefined;
  const number = end.callbacks++;
  return (error) => {
    const result = error ? describeError(error) : 'ok';
    // When a callback comes among events isn't compared, only in which step: see explained.js.
    run.note(`${end.name} callbacks`, `callback ${number} of ${what}: ${result}`);
    if (operation.next) run.performIn(end, 'callback', operation.next);
  };
}

/** Calls a method with as many arguments as the program gives. */
function call(object, method, values, callback) {
  const given = callback ? [...values, callback] : values;
  return object[method](...given);
}

/** Operations on a WebSocket. */
const OF_WEBSOCKET = {
  send(run, end, { data, options, ...rest }) {
    const values = options ? [valueFor(data), options] : [valueFor(data)];
    return call(end.ws, 'send', values, callbackOf(run, end, rest, 'send'));
  },
  ping(run, end, { data, mask, ...rest }) {
    const values = [];
    if (data) values.push(valueFor(data));
    if (data && mask !== undefined) values.push(mask);
    return call(end.ws, 'ping', values, callbackOf(run, end, rest, 'ping'));
  },
  pong(run, end, { data, mask, ...rest }) {
    const values = [];
    if (data) values.push(valueFor(data));
    if (data && mask !== undefined) values.push(mask);
    return call(end.ws, 'pong', values, callbackOf(run, end, rest, 'pong'));
  },
  close(_run, { ws }, { code, reason }) {
    if (reason) return ws.close(code, valueFor(reason));
    return code === undefined ? ws.close() : ws.close(code);
  },
  terminate: (_run, { ws }) => ws.terminate(),
  pause: (_run, { ws }) => ws.pause(),
  resume: (_run, { ws }) => ws.resume(),
  binaryType(_run, { ws }, { value }) {
    ws.binaryType = value;
  },
  look(run, { ws }, _operation, lane) {
    const socket = ws._socket;
    const parts = [
      `state ${ws.readyState}`,
      `buffered ${run.amount(ws, ws.bufferedAmount)}`,
      `paused ${ws.isPaused}`,
      `protocol '${ws.protocol}'`,
      `extensions '${ws.extensions}'`,
      ws.binaryType
    ];
    // Whether one that is destroyed had ended depends on how it met the end of its peer.
    // And when a callback comes isn't said.
    if (lane.endsWith(' callbacks')) parts.length = 1;
    else if (socket?.destroyed)
      parts.push('socket destroyed', `length ${run.amount(ws, socket.writableLength)}`);
    else if (socket) {
      parts.push(
        `socket ended ${socket.writableEnded}`,
        `finished ${socket.writableFinished} readable ${socket.readable} writable ${socket.writable}`,
        `needDrain ${ws.extensions === '' ? socket.writableNeedDrain : '?'} corked ${socket.writableCorked}`,
        `length ${run.amount(ws, socket.writableLength)}`
      );
    }
    run.note(lane, `look ${parts.join(', ')}`);
  },
  buffered(run, { ws }, _operation, lane) {
    run.note(lane, `buffered ${run.amount(ws, ws.bufferedAmount)}`);
  },
  listen(run, end, { event, times }) {
    for (let i = 0; i < times; i++) {
      const listener = (...values) => {
        run.note(end.name, `extra ${event} ${values.map(describe).join(' ')}`);
      };
      // In front: what a listener throws keeps those after it from being called.
      end.ws.prependListener(event, listener);
    }
  },
  deafen: (_run, { ws }, { event }) => void ws.removeAllListeners(event),
  onmessage(run, end) {
    end.ws.onmessage = ({ data, type }) => {
      run.note(end.name, `onmessage ${type} ${describe(data)}`);
    };
  },
  receiver(run, { ws }, _operation, lane) {
    run.note(lane, `receiver ${ws._receiver === null ? 'none' : 'there'}`);
  },
  sendFrame(run, end, operation) {
    const { ws } = end;
    const list = run.implementation.Sender.frame(bytesOf(operation.data), {
      fin: true,
      opcode: 2,
      mask: !ws._isServer,
      readOnly: true,
      rsv1: false
    });
    ws._sender?.sendFrame(list, callbackOf(run, end, operation, 'sendFrame'));
  },
  throw() {
    const error = new Error('on purpose');
    error[kThrown] = true;
    throw error;
  }
};

/** Operations on the socket of a WebSocket. */
const OF_SOCKET = {
  socketWrite(run, end, operation) {
    const { ws } = end;
    const bytes = operation.frame
      ? encode(operation.frame, !ws._isServer)
      : bytesOf(operation.data);
    return ws._socket.write(bytes, callbackOf(run, end, operation, 'write'));
  },
  socketCork: (_run, { ws }) => ws._socket.cork(),
  socketUncork: (_run, { ws }) => ws._socket.uncork(),
  socketEnd: (run, end, operation) => {
    end.ws._socket.end(callbackOf(run, end, operation, 'end'));
  },
  socketDestroy(_run, { ws }, { isError }) {
    ws._socket.destroy(isError ? new Error('destroyed on purpose') : undefined);
  },
  socketDestroySoon: (_run, { ws }) => ws._socket.destroySoon(),
  socketReset: (_run, { ws }) =>
    void (ws._socket.resetAndDestroy ?? ws._socket.destroy).call(ws._socket),
  socketPause: (_run, { ws }) => void ws._socket.pause(),
  socketResume: (_run, { ws }) => void ws._socket.resume(),
  socketData(run, { ws, name }) {
    let length = 0;
    ws._socket.on('data', (chunk) => {
      length += chunk.length;
      run.activity++;
    });
    ws._socket.on('close', () => run.note(name, `socket gave ${length} bytes`));
  },
  socketRefresh: (_run, { ws }) => {
    ws._socket.setNoDelay?.(false);
    ws._socket.setKeepAlive?.(true, 1000);
    ws._socket.unref?.();
    ws._socket.ref?.();
  }
};

/** Operations on what `createWebSocketStream()` gave. */
const OF_STREAM = {
  streamWrite(run, end, operation) {
    return end.stream.write(
      valueFor(operation.data),
      callbackOf(run, end, operation, 'stream write')
    );
  },
  streamEnd(run, end, operation) {
    const callback = callbackOf(run, end, operation, 'stream end');
    if (operation.data) end.stream.end(valueFor(operation.data), callback);
    else end.stream.end(callback);
  },
  streamDestroy(_run, end, { isError }) {
    end.stream.destroy(isError ? new Error('destroyed on purpose') : undefined);
  },
  streamPause: (_run, end) => void end.stream.pause(),
  streamResume: (_run, end) => void end.stream.resume(),
  streamCork: (_run, end) => end.stream.cork(),
  streamUncork: (_run, end) => end.stream.uncork(),
  streamRead(run, end, { size }, lane) {
    const chunk = end.stream.read(size);
    run.note(lane, `stream read ${describe(chunk)}`);
  },
  streamLook(run, end, _operation, lane) {
    const { stream } = end;
    run.note(
      lane,
      `stream look readable ${stream.readable} writable ${stream.writable} destroyed ${stream.destroyed}` +
        ` ended ${stream.readableEnded} finished ${stream.writableFinished}` +
        ` lengths ${stream.readableLength} ${run.amount(end.ws, stream.writableLength)}`
    );
  }
};

/** Operations on a raw peer. */
const OF_RAW_PEER = {
  frames(_run, end, { frames, cuts = [] }) {
    const { socket } = end;
    if (!socket || socket.destroyed || socket.writableEnded) return 'gone';
    if (!end.isOpen) return undefined;
    if (frames.some(({ opcode }) => opcode === 8)) end.hasSentClose = true;
    const bytes = Buffer.concat(frames.map((frame) => encode(frame, end.isClient)));
    // Pieces that arrive one by one.
    const places = [...new Set(cuts.map((cut) => Math.floor(cut * bytes.length)))];
    places.sort((a, b) => a - b);
    end.write(
      [...places, bytes.length].map((place, i) => bytes.subarray(places[i - 1] ?? 0, place))
    );
  },
  bytes(_run, end, { hex }) {
    const { socket } = end;
    if (!socket || socket.destroyed || socket.writableEnded) return 'gone';
    end.write([Buffer.from(hex, 'hex')]);
  },
  rawPause: (_run, end) => {
    end.isPaused = true;
    end.socket?.pause();
  },
  rawResume: (_run, end) => {
    end.isPaused = false;
    end.socket?.resume();
  },
  rawEnd: (_run, end) => end.end(),
  rawReset: (_run, end) => {
    const { socket } = end;
    end.release();
    (socket?.resetAndDestroy ?? socket?.destroy)?.call(socket);
  },
  rawDestroy: (_run, end) => {
    end.release();
    end.socket?.destroy();
  }
};

/** Operations on the server, and of the program as a whole. */
const OF_SERVER = {
  closeServer(run, end, operation) {
    run.server.close(callbackOf(run, end, operation, 'server close'));
  },
  terminateAll: (run) => {
    for (const client of run.server.clients ?? []) client.terminate();
  },
  broadcast: (run, _end, { data, options }) => {
    for (const client of run.server.clients ?? []) {
      if (client.readyState === 1) client.send(valueFor(data), options ?? {});
    }
  },
  lookServer(run, _end, _operation, lane) {
    run.note(lane, `clients ${run.server.clients?.size}`);
  }
};

module.exports = {
  kThrown,
  operations: { ...OF_WEBSOCKET, ...OF_SOCKET, ...OF_STREAM, ...OF_RAW_PEER, ...OF_SERVER }
};
