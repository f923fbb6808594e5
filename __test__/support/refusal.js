'use strict';

const { once } = require('node:events');

/** What a client is answered that isn't let in: status, headers and body. */
async function refusal(ws) {
  const [, response] = await once(ws, 'unexpected-response');
  let body = '';
  for await (const chunk of response) body += chunk;
  ws.on('error', () => {});
  ws.terminate();
  return { body, headers: response.headers, status: response.statusCode };
}

module.exports = refusal;
