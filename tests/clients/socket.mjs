// What pages of AI SDK 7 do over a WebSocket beyond single turns: several pages of a chat, and several chats of a page.
import assert from 'node:assert/strict';
import { State, overSocket } from './clients.mjs';

const sdk = await overSocket(await import('ai-7'));
const route = '/memory/v6';
const pause = () => new Promise((done) => setTimeout(done, 10));

/** Waits for something that must come. */
async function until(what, holds) {
  for (const end = Date.now() + 20_000; Date.now() < end; await pause()) if (await holds()) return;
  throw new Error(`waited in vain: ${what}`);
}

let ids = 0;
const transport = (base, model = 'slow') => sdk.transport({ api: `${base}${route}/ws`, body: { model } });
class Page extends sdk.AbstractChat {
  constructor(chat, over, messages = []) {
    super({ id: chat, state: new State(messages), transport: over, generateId: () => `socket-page-${++ids}` });
  }
  get text() { return (this.messages.at(-1)?.role === 'assistant' ? this.messages.at(-1).parts : []).map((part) => part.text ?? '').join(''); }
}
const say = (text) => ({ parts: [{ type: 'text', text }] });
const kept = async (base, chat) => {
  const reply = await fetch(`${base}${route}/${encodeURIComponent(chat)}/messages`);
  return reply.ok ? (await reply.json()).messages : [];
};
const textOf = (messages) => messages.filter((each) => each.role === 'assistant').flatMap((each) => each.parts).map((part) => part.text ?? '').join('');

/** Opens transports, and closes them whatever comes. */
const using = (count, model, work) => async (base) => {
  const open = Array.from({ length: count }, () => transport(base, model));
  try { await work(base, ...open); } finally { open.forEach((each) => each.close()); }
};

export const scenarios = {
  'a second page resumes from the start': using(2, 'slow', async (base, one, two) => {
    const first = new Page('resumed over a socket', one);
    const sent = first.sendMessage(say('Hello'));
    await until('text', () => first.text.length > 20);
    const second = new Page('resumed over a socket', two, structuredClone(first.messages.slice(0, 1)));
    await second.resumeStream();
    await sent;
    assert.equal(first.status, 'ready');
    assert.equal(second.status, 'ready');
    assert.ok(first.text.length > 100);
    assert.equal(second.text, first.text);
    assert.equal(second.messages.at(-1).id, first.messages.at(-1).id);
    assert.equal(textOf(await kept(base, 'resumed over a socket')), first.text);
  }),
  'a page that breaks off resumes on a new connection': using(2, 'slow', async (base, one, two) => {
    const page = new Page('broken socket', one);
    const sent = page.sendMessage(say('Hello'));
    await until('text', () => page.text.length > 20);
    one.close();
    await sent;
    assert.equal(page.status, 'error');
    const again = new Page('broken socket', two, structuredClone(page.messages));
    await again.resumeStream();
    assert.equal(again.status, 'ready');
    assert.ok(again.text.length > 100, again.text);
    assert.equal(again.messages.length, 2);
    assert.equal(textOf(await kept(base, 'broken socket')), again.text);
  }),
  'nothing to resume': using(1, 'slow', async (base, one) => {
    const page = new Page('a chat that nobody knows', one);
    await page.resumeStream();
    assert.equal(page.status, 'ready');
    assert.deepEqual(page.messages, []);
  }),
  'stop ends the turn and keeps what was said': using(2, 'slow', async (base, one, two) => {
    const page = new Page('stopped over a socket', one);
    const sent = page.sendMessage(say('Hello'));
    await until('text', () => page.text.length > 20);
    await page.stop();
    await sent;
    assert.equal(page.status, 'ready');
    let messages = [];
    await until('the partial answer', async () => (messages = await kept(base, 'stopped over a socket')).length === 2);
    const said = textOf(messages);
    assert.ok(said.startsWith(page.text), `${page.text} | ${said}`);
    assert.ok(said.length < 200, 'the turn went on');
    const other = new Page('stopped over a socket', two);
    await other.resumeStream();
    assert.deepEqual(other.messages, [], 'something still runs');
    // The same connection goes on.
    await page.sendMessage(say('Hello'));
    assert.equal(page.status, 'ready');
    assert.ok(page.text.length > 100);
  }),
  'stop of a resumed answer ends the turn': using(2, 'slow', async (base, one, two) => {
    const first = new Page('stopped from elsewhere', one);
    const sent = first.sendMessage(say('Hello'));
    await until('text', () => first.text.length > 10);
    const second = new Page('stopped from elsewhere', two);
    const resumed = second.resumeStream();
    await until('text', () => second.text.length > 20);
    await second.stop();
    await Promise.all([sent, resumed]);
    assert.ok(textOf(await kept(base, 'stopped from elsewhere')).length < 200, 'the turn went on');
  }),
  'ten chats on one connection': using(1, 'openai', async (base, one) => {
    const pages = Array.from({ length: 10 }, (_, at) => new Page(`one of many ${at}`, one));
    const asked = ['Hello', 'Show me an error', 'What is the weather in Bern?', 'Cut it off', 'Please think first'];
    await Promise.all(pages.map((page, at) => page.sendMessage(say(asked[at % asked.length]))));
    for (const [at, page] of pages.entries()) assert.equal(page.status, [1, 3].includes(at % 5) ? 'error' : 'ready', asked[at % 5]);
    assert.equal(new Set(pages.filter((_, at) => at % 5 === 0).map((page) => page.text)).size, 1);
  }),
  'a request that cannot be served fails alone': using(1, 'slow', async (base, one) => {
    const good = new Page('served', one);
    const sent = good.sendMessage(say('Hello'));
    await until('text', () => good.text.length > 20);
    const bad = new Page('not served', one);
    await bad.sendMessage(say(' '));
    assert.equal(bad.status, 'error');
    assert.match(bad.error.message, /is empty; there is nothing to answer/);
    await sent;
    assert.equal(good.status, 'ready');
  }),
};
