import { createRequire } from 'node:module';
import { track } from '../kit.mjs';
import { traced } from '../traced.mjs';

Object.assign(process.env, {
  DD_INSTRUMENTATION_TELEMETRY_ENABLED: 'false',
  DD_REMOTE_CONFIGURATION_ENABLED: 'false',
  DD_TRACE_STARTUP_LOGS: 'false',
  DD_TRACE_WEBSOCKET_MESSAGES_ENABLED: 'true'
});
const require = createRequire(import.meta.url);
const tracer = require('dd-trace').init({ plugins: false, url: 'http://127.0.0.1:1' });
tracer.use('ws', { enabled: true });

const span = track('spans');
// In the place of what sends them to an agent.
tracer._tracer._processor._exporter = {
  export(spans) {
    for (const { meta, metrics, name, resource } of spans) {
      span(
        name,
        resource,
        meta['span.kind'],
        meta['websocket.message.type'],
        metrics['websocket.message.length'],
        meta['websocket.close.reason'],
        metrics['websocket.close.code'] ?? meta['websocket.close.code']
      );
    }
  },
  flush: (done) => done?.(),
  setUrl() {}
};

await traced(require('ws'));
process.exit();
