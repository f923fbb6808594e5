// What is bundled for browsers, where the package must be harmless until it's used.

import WebSocket from 'oxws';

try {
  new WebSocket('ws://localhost');
} catch (error) {
  globalThis.outcome = error.message;
}
