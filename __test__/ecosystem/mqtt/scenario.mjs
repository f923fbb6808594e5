import { Aedes } from 'aedes';
import { createServer } from 'aedes-server-factory';
import mqtt from 'mqtt';
import { close, listen, noise, track, until } from '../kit.mjs';

const broker = await Aedes.createBroker();
const server = createServer(broker, { ws: true });
const port = await listen(server);

const logs = new Map();
const log = (id, ...details) => {
  if (!logs.has(id)) logs.set(id, track(`broker, ${id}`));
  logs.get(id)(...details);
};
broker.on('clientReady', ({ id }) => log(id, 'ready'));
broker.on('clientDisconnect', ({ id }) => log(id, 'disconnect'));
broker.on('clientError', ({ id }, error) => log(id, 'error', error));
broker.authorizePublish = (_client, { topic }, done) => {
  done(topic === 'forbidden' ? new Error('not you') : null);
};

/** Connects and notes what comes, by topic. */
async function connect(name, options) {
  const tell = track(name);
  const client = mqtt.connect(`ws://127.0.0.1:${port}/mqtt`, {
    clientId: name,
    reconnectPeriod: 0,
    ...options
  });
  let count = 0;
  client.on('message', (topic, payload, { qos, retain }) => {
    tell('message', topic, payload, qos, retain);
    count++;
  });
  client.on('close', () => tell('close'));
  client.on('error', (error) => tell('error', error));
  await new Promise((resolve) => client.once('connect', resolve));
  tell('connected');
  return { client, messages: (wanted) => until(() => count >= wanted), tell };
}

const one = await connect('one', { keepalive: 1 });
const two = await connect('two');
one.tell('granted', await one.client.subscribeAsync({ 'news/#': { qos: 2 }, echo: { qos: 0 } }));
two.tell('granted', await two.client.subscribeAsync('news/+', { qos: 1 }));

for (const qos of [0, 1, 2]) {
  await two.client.publishAsync('news/today', `qos ${qos}, ünïcödé`, { qos });
}
await two.client.publishAsync('news/big', noise(400_000), { qos: 1 });
await two.client.publishAsync('news/empty', '', { qos: 1 });
await one.messages(5);
await two.messages(5);
for (let i = 0; i < 200; i++) one.client.publish('echo', `${i}`);
await one.messages(205);

await one.client.publishAsync('news/kept', 'kept', { qos: 1, retain: true });
await one.messages(206);
await two.messages(6);
const three = await connect('three', {
  will: { topic: 'news/will', payload: 'three is gone', qos: 1, retain: false }
});
await three.client.subscribeAsync('news/kept');
await three.messages(1);
three.client.stream.destroy();
await one.messages(207);
await two.messages(7);

await new Promise((resolve) =>
  one.client.once('packetreceive', ({ cmd }) => resolve(one.tell(cmd)))
);
const four = await connect('four');
four.client.publish('forbidden', 'x', { qos: 1 });
await new Promise((resolve) => four.client.once('close', resolve));

await one.client.endAsync();
await two.client.endAsync();
await until(() => broker.connectedClients === 0);
await new Promise((resolve) => broker.close(resolve));
await close(server);
