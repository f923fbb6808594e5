'use strict';

// A client's part of an exchange with an echo server, for every class with the API of browsers. The
// function stands alone, so that it can be sent to a browser.

/**
 * Sends messages, one after the other, and compares their echoes.
 *
 * @param {() => WebSocket} open Makes the client
 * @param {number[]} sizes Lengths of the messages
 * @param {boolean} startsWithText Text and binary messages take turns: which comes first
 * @param {boolean} canFragment Whether `send()` takes fragments; every third message is sent so
 * @param {number} pauseMs How long to wait in the middle: the engine takes a compressed connection
 *   over once it has been open for a moment
 * @return {Promise<{error: string | null, extensions: string}>} What went wrong, and what was
 *   agreed on
 */
function exchange(open, sizes, startsWithText, canFragment, pauseMs) {
  const alphabet = 'the quick brown fox jumps over the lazy dog, 0123456789 times; ';

  /** Text that is alike from message to message, and never quite the same. */
  function makeMessage(index) {
    const size = sizes[index];
    let text = '';
    for (let i = index; text.length < size; i++) {
      text += `${(i * 7919) % 104729}:${alphabet.slice(i % 40)}\n`;
    }
    text = text.slice(0, size);
    return (index % 2 === 0) === startsWithText ? text : new TextEncoder().encode(text);
  }

  function isSame(data, message) {
    if (typeof message === 'string') return data === message;
    if (typeof data === 'string') return false;
    const bytes = new Uint8Array(data);
    return bytes.length === message.length && bytes.every((byte, i) => byte === message[i]);
  }

  return new Promise((resolve) => {
    let index = 0;
    let message;
    let failure = null;
    let ws;
    const timer = setTimeout(() => finish(`no answer to message ${index}`), 30_000);

    function finish(error) {
      clearTimeout(timer);
      resolve({ error, extensions: ws?.extensions ?? '' });
      ws?.close();
    }

    function sendNext() {
      message = makeMessage(index);
      if (!canFragment || index % 3 !== 2) return ws.send(message);
      const third = Math.ceil(message.length / 3);
      ws.send(message.slice(0, third), { fin: false });
      ws.send(message.slice(third, 2 * third), { fin: false });
      ws.send(message.slice(2 * third), { fin: true });
    }

    try {
      ws = open();
    } catch (error) {
      return finish(`${error}`);
    }
    ws.binaryType = 'arraybuffer';
    ws.onopen = sendNext;
    ws.onmessage = ({ data }) => {
      if (!isSame(data, message)) return finish(`the echo of message ${index} differs`);
      index++;
      if (index === sizes.length) ws.close(1000);
      else if (index === sizes.length >> 1) setTimeout(sendNext, pauseMs);
      else sendNext();
    };
    ws.onerror = (event) => {
      failure = event.message || 'error';
    };
    ws.onclose = ({ code }) => {
      const isDone = index === sizes.length && code === 1000;
      finish(isDone ? null : `closed with ${code} at message ${index}: ${failure}`);
    };
  });
}

module.exports = exchange;
