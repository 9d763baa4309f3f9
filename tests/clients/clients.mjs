// Drives the code that real chat pages run, without a browser, and tells what such a page would show.

/** What a page shows after a turn. */
const nothing = () => ({ status: 'ready', error: null, text: '', reasoning: '', tools: [], sources: [], files: [], bubbles: 0, unfinished: 0 });

const message = (text, extra) => ({ role: 'user', content: text, ...extra });

// --- AI SDK 3.4 and 4: the function behind useChat --------------------------------------------------------------

const lineStates = { 'partial-call': 'input-streaming', call: 'input-available', result: 'output-available' };

function showLines(messages) {
  const shown = nothing();
  shown.bubbles = messages.length;
  for (const { content, reasoning, toolInvocations = [], parts = [] } of messages) {
    shown.text += content ?? '';
    shown.reasoning += reasoning ?? '';
    for (const call of toolInvocations) {
      const state = lineStates[call.state];
      if (state === 'input-streaming') shown.unfinished += 1;
      shown.tools.push({ id: call.toolCallId, name: call.toolName, state, input: call.args, output: call.result });
    }
    for (const part of parts) {
      if (part.type === 'source') shown.sources.push(part.source.url);
      if (part.type === 'file') shown.files.push(part.mimeType);
    }
  }
  return shown;
}

async function postLines(sdk, { url, body, answers, lastMessage }) {
  let messages = [];
  let ids = 0;
  const shown = { error: null };
  try {
    await sdk.callChatApi({
      api: url, body, streamProtocol: 'data', credentials: undefined, headers: {},
      abortController: () => new AbortController(), restoreMessagesOnFailure() {}, onResponse: undefined,
      onUpdate: (first) => { messages = Array.isArray(first) ? first : [first.message]; },
      onFinish: (last) => { if (messages.length === 0) messages = [last]; },
      onToolCall: ({ toolCall }) => answers[toolCall.toolName],
      generateId: () => `page-${++ids}`, fetch, lastMessage,
    });
  } catch (error) {
    shown.error = String(error?.message ?? error);
  }
  return { messages: JSON.parse(JSON.stringify(messages)), error: shown.error };
}

const linesTurn = (sdk) => async ({ url, text, model, answers = {}, chat = 'chat-1' }) => {
  const question = message(text, { parts: [{ type: 'text', text }] });
  const send = (messages, lastMessage) => postLines(sdk, { url, answers, lastMessage, body: { id: chat, messages, model } });
  let { messages, error } = await send([question]);
  const calls = messages.at(-1)?.toolInvocations ?? [];
  const answered = calls.some((call) => call.toolName in answers) && calls.every((call) => call.state === 'result');
  if (!error && answered && sdk.fillMessageParts) {
    const last = sdk.fillMessageParts([messages.at(-1)])[0];
    ({ messages, error } = await send([question, last], last));
  }
  return { ...showLines(messages), error, status: error ? 'error' : 'ready', held: messages };
};

// --- AI SDK 5, 6 and 7: the class behind useChat -----------------------------------------------------------------

/** The class of SDK 7's pages with a WebSocket for all that it sends. Node has had one of its own since 22. */
export const overSocket = async (sdk) => {
  const webSocket = globalThis.WebSocket ?? (await import('ws')).WebSocket;
  return { ...sdk, transport: ({ api, body }) => new sdk.WebSocketChatTransport({ url: api, body, webSocket }) };
};
const overHttp = (sdk) => ({ ...sdk, transport: (options) => new sdk.DefaultChatTransport(options) });

export class State {
  status = 'ready';
  error = undefined;
  constructor(messages) { this.messages = messages; }
  pushMessage = (added) => { this.messages = [...this.messages, added]; };
  popMessage = () => { this.messages = this.messages.slice(0, -1); };
  replaceMessage = (at, changed) => { this.messages = this.messages.map((old, index) => (index === at ? structuredClone(changed) : old)); };
  snapshot = (value) => structuredClone(value);
}

function showParts(messages) {
  const shown = nothing();
  const answers = messages.slice(messages.findLastIndex((each) => each.role === 'user') + 1);
  shown.bubbles = answers.length;
  for (const part of answers.flatMap((each) => each.parts)) {
    if (part.state === 'streaming' || part.state === 'input-streaming') shown.unfinished += 1;
    if (part.type === 'text') shown.text += part.text;
    if (part.type === 'reasoning') shown.reasoning += part.text;
    if (part.type === 'source-url') shown.sources.push(part.url);
    if (part.type === 'file') shown.files.push(part.mediaType);
    if (part.type === 'dynamic-tool' || part.type.startsWith('tool-')) {
      const name = part.type === 'dynamic-tool' ? part.toolName : part.type.slice('tool-'.length);
      shown.tools.push({ id: part.toolCallId, name, state: part.state, input: part.input, output: part.output });
    }
  }
  return shown;
}

const uiTurn = (sdk) => async ({ url, text, model, answers = {}, approve, chat = 'chat-1' }) => {
  let ids = 0;
  let turns = 0;
  const state = new State([]);
  const transport = sdk.transport({ api: url, body: { model } });
  class Page extends sdk.AbstractChat {
    constructor() {
      super({
        id: chat, state, transport, generateId: () => `page-${++ids}`,
        onFinish: () => { turns += 1; },
        onToolCall: ({ toolCall }) => {
          if (!(toolCall.toolName in answers)) return;
          const give = (this.addToolOutput ?? this.addToolResult).bind(this);
          give({ tool: toolCall.toolName, toolCallId: toolCall.toolCallId, output: answers[toolCall.toolName] });
        },
        sendAutomaticallyWhen: (now) => turns < 6 && (
          (Object.keys(answers).length > 0 && sdk.lastAssistantMessageIsCompleteWithToolCalls(now))
          || (approve !== undefined && sdk.lastAssistantMessageIsCompleteWithApprovalResponses?.(now))),
      });
    }
  }
  const page = new Page();
  const idle = async () => {
    const until = Date.now() + 20_000;
    do { await new Promise((done) => setTimeout(done, 20)); } while (['submitted', 'streaming'].includes(page.status) && Date.now() < until);
  };
  await page.sendMessage({ parts: [{ type: 'text', text }] });
  await idle();
  for (const part of approve === undefined ? [] : page.messages.at(-1).parts) {
    if (part.state !== 'approval-requested') continue;
    await page.addToolApprovalResponse({ id: part.approval.id, approved: approve });
    await idle();
  }
  const status = page.status;
  const held = JSON.parse(JSON.stringify(page.messages));
  transport.close?.();
  return { ...showParts(held), status, error: page.error ? String(page.error.message) : null, held };
};

// --- assistant-ui: its two decoders, chosen by the reply's headers ------------------------------------------------

const assistantUiTurn = (sdk) => async ({ url, text, model }) => {
  let last;
  try {
    const body = { id: 'chat-1', trigger: 'submit-message', model, messages: [{ id: 'u1', role: 'user', parts: [{ type: 'text', text }] }] };
    const reply = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
    if (!reply.ok) throw new Error(await reply.text());
    const lines = reply.headers.get('x-vercel-ai-data-stream') === 'v1';
    const decoder = lines ? new sdk.DataStreamDecoder() : new sdk.UIMessageStreamDecoder({ onData() {} });
    for await (const update of reply.body.pipeThrough(decoder).pipeThrough(new sdk.AssistantMessageAccumulator())) last = update;
    if (last?.status?.type === 'incomplete' && last.status.reason === 'error') throw new Error(JSON.stringify(last.status.error));
  } catch (error) {
    return { ...showAssistantUi(last), status: 'error', error: String(error?.message ?? error) };
  }
  return showAssistantUi(last);
};

function showAssistantUi(answer) {
  const shown = nothing();
  shown.bubbles = answer ? 1 : 0;
  for (const part of answer?.parts ?? []) {
    if (part.type === 'text') shown.text += part.text;
    if (part.type === 'reasoning') shown.reasoning += part.text;
    if (part.type === 'source') shown.sources.push(part.url);
    if (part.type === 'file') shown.files.push(part.mimeType);
    if (part.type === 'tool-call') {
      const state = part.result === undefined ? 'input-available' : 'output-available';
      shown.tools.push({ id: part.toolCallId, name: part.toolName, state, input: part.args, output: part.result });
    }
  }
  return shown;
}

// --- the list -----------------------------------------------------------------------------------------------------

const lines = async (id, name, route, can) => ({ id, route, can, turn: linesTurn(await import(name)) });
const ui = async (id, name, can) => ({ id, route: '/ai/v5', can, turn: uiTurn(overHttp(await import(name))) });

/** Every client: the route it posts to, what it is able to show, and one turn of it. */
export const load = async () => Promise.all([
  lines('3', 'ui-utils-3', '/ai/v3', ['tools']),
  lines('4-floor', 'ui-utils-4-floor', '/ai/v3', ['tools']),
  lines('4', 'ui-utils-4', '/ai/v4', ['tools', 'reasoning', 'sources', 'files', 'continue']),
  ui('5-floor', 'ai-5-floor', ['tools', 'reasoning', 'sources', 'files', 'continue']),
  ui('5', 'ai-5', ['tools', 'reasoning', 'sources', 'files', 'continue']),
  ui('6-floor', 'ai-6-floor', ['tools', 'reasoning', 'sources', 'files', 'continue', 'approve']),
  ui('6', 'ai-6', ['tools', 'reasoning', 'sources', 'files', 'continue', 'approve']),
  ui('7-floor', 'ai-7-floor', ['tools', 'reasoning', 'sources', 'files', 'continue', 'approve']),
  ui('7', 'ai-7', ['tools', 'reasoning', 'sources', 'files', 'continue', 'approve']),
  { id: '7-ws', socket: true, can: ['tools', 'reasoning', 'sources', 'files', 'continue', 'approve'], turn: uiTurn(await overSocket(await import('ai-7'))) },
  { id: 'aui', route: '/ai/v5', can: ['tools', 'reasoning', 'sources'], turn: assistantUiTurn(await import('assistant-stream')) },
]);
