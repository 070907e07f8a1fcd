/** What a running ktop holds for good: both of its threads collect their garbage, then tell. By Node's own inspector. */
import { paths } from '../helpers/paths.ts';

interface Reply {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly sessionId: string; readonly message: string };
  readonly result?: { readonly result?: { readonly value?: unknown } };
}

type Call = (method: string, params?: object) => Promise<Reply>;

export interface Live {
  /** MB in the heaps of JavaScript, after a collection. */
  readonly heaps: number;
  /** MB handed out by malloc and not freed. */
  readonly malloc: number;
}

const MB = 1024 * 1024;
const LOOK = `({ heap: process.memoryUsage().heapUsed, malloc: process.getBuiltinModule('node:module').createRequire('file:///')(${JSON.stringify(`${paths.dist}/ktop.node`)}).allocated() })`;

/** `port`: as in `node --inspect=127.0.0.1:port`. */
export async function inspect(port: number): Promise<{ live: () => Promise<Live>; close: () => void }> {
  const list = (await (await fetch(`http://127.0.0.1:${port}/json`)).json()) as {
    webSocketDebuggerUrl: string;
  }[];
  const socket = new WebSocket(list[0]?.webSocketDebuggerUrl ?? '');
  const waiting = new Map<number, (reply: Reply) => void>();
  let last = 0;
  let attached: (session: string) => void = () => {};
  const session = new Promise<string>((resolve) => {
    attached = resolve;
  });
  const settle = (reply: Reply) => {
    if (reply.id !== undefined) waiting.get(reply.id)?.(reply);
    if (reply.method === 'NodeWorker.attachedToWorker') attached(reply.params?.sessionId ?? '');
    if (reply.method === 'NodeWorker.receivedMessageFromWorker')
      settle(JSON.parse(reply.params?.message ?? '{}') as Reply);
  };
  socket.onmessage = ({ data }) => settle(JSON.parse(String(data)) as Reply);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = reject;
  });
  const asked =
    (send: (text: string) => void): Call =>
    (method, params = {}) =>
      new Promise((resolve) => {
        const id = ++last;
        waiting.set(id, resolve);
        send(JSON.stringify({ id, method, params }));
      });
  const main = asked((text) => socket.send(text));
  await main('NodeWorker.enable', { waitForDebuggerOnStart: false });
  const sessionId = await session;
  const worker = asked((message) => void main('NodeWorker.sendMessageToWorker', { sessionId, message }));
  const value = async (call: Call, expression: string) => {
    await call('HeapProfiler.enable');
    await call('HeapProfiler.collectGarbage');
    const { result } = await call('Runtime.evaluate', { expression, returnByValue: true });
    return result?.result?.value as never;
  };
  return {
    async live() {
      const heap: number = await value(main, 'process.memoryUsage().heapUsed');
      const there: { heap: number; malloc: number } = await value(worker, LOOK);
      return { heaps: (heap + there.heap) / MB, malloc: there.malloc / MB };
    },
    close: () => socket.close(),
  };
}
