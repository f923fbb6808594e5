import { createRequire } from 'node:module';
import { track } from '../kit.mjs';
import { traced } from '../traced.mjs';

const require = createRequire(import.meta.url);
const { registerInstrumentations } = require('@opentelemetry/instrumentation');
const {
  InMemorySpanExporter,
  NodeTracerProvider,
  SimpleSpanProcessor
} = require('@opentelemetry/sdk-trace-node');
const { WSInstrumentation } = require('opentelemetry-instrumentation-ws');

const exporter = new InMemorySpanExporter();
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
provider.register();
const instrumentation = new WSInstrumentation();
// Its constructor forgets what it is given.
instrumentation.setConfig({ messageEvents: true, sendSpans: true });
registerInstrumentations({ instrumentations: [instrumentation] });

await traced(require('ws'));

const spans = exporter.getFinishedSpans();
const names = new Map(spans.map((each) => [each.spanContext().spanId, each.name]));
// Those of both ends, each in its order.
for (const name of new Set(names.values())) {
  const span = track(name);
  for (const { events, kind, parentSpanContext, parentSpanId, status, ...each } of spans) {
    if (each.name !== name) continue;
    const parent = names.get(parentSpanContext?.spanId ?? parentSpanId);
    span(kind, status, parent, ...events.map((event) => event.name));
  }
}
