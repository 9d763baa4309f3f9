#!/usr/bin/env node
// node run.mjs http://127.0.0.1:PORT: every real client against every scenario and provider protocol of the gateway at
// that address, which serves gateway.toml of this folder. Prints a table; exit status 1 if anything is wrong.
import assert from 'node:assert/strict';
import { load } from './clients.mjs';
import * as socket from './socket.mjs';

const base = process.argv[2];
if (!base) {
  console.error('usage: node run.mjs http://127.0.0.1:PORT');
  process.exit(2);
}

const providers = ['openai', 'responses', 'anthropic', 'ollama'];
const finished = (shown) => {
  assert.equal(shown.error, null);
  assert.equal(shown.status, 'ready');
  assert.equal(shown.unfinished, 0, 'parts left open');
  assert.ok(shown.text.length > 0, 'no text');
};
const oneBubble = (client, shown) => { if (!['3', '4-floor'].includes(client.id)) assert.equal(shown.bubbles, 1, 'bubbles'); };
const names = (shown) => shown.tools.map((tool) => tool.name);

/** A scenario: what the user says, what a client must be able to do, and what the page must show. */
const scenarios = [
  { name: 'text', say: 'Hello', check: finished },
  { name: 'unicode', say: 'Show me some unicode', check: (shown) => { finished(shown); assert.match(shown.text, /[^\x00-\x7f]/); assert.doesNotMatch(shown.text, /\ufffd/); } },
  { name: 'reasoning', say: 'Please think first', needs: 'reasoning', check: (shown) => { finished(shown); assert.ok(shown.reasoning.length > 0, 'no reasoning'); } },
  {
    name: 'tool', say: 'What is the weather in Bern?', needs: 'tools',
    check: (shown) => { finished(shown); assert.deepEqual(names(shown), ['get_weather']); assert.equal(shown.tools[0].state, 'output-available'); assert.equal(shown.tools[0].input.location, 'Bern'); },
  },
  {
    name: 'parallel tools', say: 'Two cities please', needs: 'tools',
    check: (shown) => {
      finished(shown);
      assert.deepEqual(shown.tools.map((tool) => tool.input.location).sort(), ['Bern', 'Oslo']);
      assert.ok(shown.tools.every((tool) => tool.state === 'output-available'));
      assert.equal(new Set(shown.tools.map((tool) => tool.id)).size, 2);
    },
  },
  {
    name: 'page tool', say: 'Use my location', needs: 'continue', answers: { get_location: { city: 'Thun' } },
    check: (shown) => { finished(shown); assert.deepEqual(names(shown), ['get_location']); assert.deepEqual(shown.tools[0].output, { city: 'Thun' }); },
  },
  { name: 'approved', say: 'Send an email', needs: 'approve', approve: true, check: (shown) => { finished(shown); assert.equal(shown.tools[0].state, 'output-available'); } },
  { name: 'denied', say: 'Send an email', needs: 'approve', approve: false, check: (shown) => { finished(shown); assert.equal(shown.tools[0].state, 'output-denied'); } },
  {
    name: 'sources', say: 'Which source says so?', needs: 'sources', except: ['ollama'],
    check: (shown) => { finished(shown); assert.ok(shown.sources.length > 0, 'no source'); assert.equal(new Set(shown.sources).size, shown.sources.length); },
  },
  { name: 'file', say: 'Draw a picture', needs: 'files', except: ['anthropic', 'ollama'], check: (shown) => assert.deepEqual(shown.files, ['image/png']) },
  { name: 'error before', say: 'Show me an error', check: (shown) => { assert.equal(shown.status, 'error'); assert.match(shown.error, /try again/i); assert.equal(shown.text, ''); } },
  { name: 'error in mid-answer', say: 'Break in the middle', check: (shown) => { assert.equal(shown.status, 'error'); assert.match(shown.error, /try again/i); } },
  { name: 'cut', say: 'Cut it off', check: (shown) => { assert.equal(shown.status, 'error'); assert.match(shown.error, /cut off/i); } },
];

const clients = await load();
let passed = 0;
const failures = [];
const rows = [];
for (const scenario of scenarios) {
  const row = [scenario.name];
  for (const client of clients) {
    if (scenario.needs && !client.can.includes(scenario.needs)) { row.push('·'); continue; }
    let good = 0;
    const wanted = providers.filter((provider) => !scenario.except?.includes(provider));
    await Promise.all(wanted.map(async (provider) => {
      // The strictest check of detection: the route that finds the wire from the body, for whoever it can serve.
      let routes = ['3', '4-floor'].includes(client.id) ? [client.route] : [client.route, '/api/chat'];
      if (client.socket) routes = ['/memory', '/memory/ws', '/memory/v6/ws'];
      if (scenario.needs === 'approve') routes = [client.socket ? '/memory/v6/ws' : '/ai/v6'];
      try {
        for (const route of routes) {
          const chat = `${client.id} ${scenario.name} ${provider} ${route}`;
          const shown = await client.turn({ url: base + route, text: scenario.say, model: provider, answers: scenario.answers, approve: scenario.approve, chat });
          try {
            scenario.check(shown);
            if (shown.status === 'ready') oneBubble(client, shown);
          } catch (error) {
            throw new Error(`${route}: ${error.message}\n      shown: ${JSON.stringify(shown)}`);
          }
        }
        good += 1;
      } catch (error) {
        failures.push(`${scenario.name}, client ${client.id}, ${provider}: ${error.message}`);
      }
    }));
    passed += good;
    row.push(`${good}/${wanted.length}`);
  }
  rows.push(row);
}

// What a page holds behind a turn is what it gets when it loads the same chat.
const known = ({ id, role, parts, content, reasoning, toolInvocations }) => ({
  id: role === 'user' ? undefined : id, role, content, reasoning, toolInvocations,
  // The stream's ids of reasoning are noted by AI SDK 6 and 7 only.
  parts: parts.map((part) => (part.type === 'reasoning' ? { ...part, id: undefined } : part)),
});
const plain = (messages) => JSON.parse(JSON.stringify(messages.map(known)));
const loads = ['text', 'reasoning', 'tool', 'parallel tools', 'page tool', 'approved', 'denied', 'sources', 'file'];
for (const scenario of scenarios.filter(({ name }) => loads.includes(name))) {
  const row = [`load: ${scenario.name}`];
  for (const client of clients) {
    if (['3', '4-floor', 'aui'].includes(client.id) || (scenario.needs && !client.can.includes(scenario.needs))) { row.push('·'); continue; }
    const route = client.id === '4' ? '/memory' : /^[67]/.test(client.id) ? '/memory/v6' : '/memory/v5';
    const chat = `${client.id} / ${scenario.name}`;
    try {
      const shown = await client.turn({ url: base + route + (client.socket ? '/ws' : ''), text: scenario.say, model: 'responses', answers: scenario.answers, approve: scenario.approve, chat });
      scenario.check(shown);
      const reply = await fetch(`${base}${route}/${encodeURIComponent(chat)}/messages${client.id === '4' ? '?sdk=4' : ''}`);
      const loaded = plain((await reply.json()).messages);
      // The function behind useChat of AI SDK 4 knows nothing of the user's message.
      assert.deepEqual(plain(shown.held), client.id === '4' ? loaded.slice(1) : loaded);
      passed += 1;
      row.push('1/1');
    } catch (error) {
      failures.push(`load: ${scenario.name}, client ${client.id}: ${error.message}`);
      row.push('0/1');
    }
  }
  rows.push(row);
}

for (const [name, check] of Object.entries(socket.scenarios)) {
  try {
    await check(base);
    passed += 1;
    console.log(`WebSocket: ${name}  1/1`);
  } catch (error) {
    failures.push(`WebSocket: ${name}: ${error.stack}`);
  }
}

const header = ['', ...clients.map((client) => client.id)];
const widths = header.map((_, column) => Math.max(...[header, ...rows].map((row) => row[column].length)));
for (const row of [header, ...rows]) console.log(row.map((cell, column) => cell.padEnd(widths[column])).join('  '));
for (const failure of failures) console.log(`FAILED ${failure}`);
console.log(`${passed} passed, ${failures.length} failed`);
process.exit(failures.length === 0 ? 0 : 1);
