// REST: one function that asks, errors as sentences, and hooks that keep an answer fresh.
import { useEffect, useRef, useState } from 'preact/hooks';

export class ApiError extends Error {
  constructor(readonly status: number, message: string) { super(message); }
}

let csrf = '';
export const setCsrf = (token: string) => { csrf = token; };
let signedOut = () => {};
export const onSignedOut = (fn: () => void) => { signedOut = fn; };

function sentence(status: number, body: any): string {
  const text = body?.errors?.[0]?.detail || body?.errors?.[0]?.title || body?.message;
  return text || `The service answered with status ${status}.`;
}

export async function call<T = any>(method: string, path: string, body?: unknown): Promise<T> {
  let answer: Response;
  const headers: Record<string, string> = { Accept: 'application/json', 'X-Requested-With': 'console' };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (method !== 'GET') headers['X-CSRF-Token'] = csrf;
  try {
    answer = await fetch(path, {
      method, headers, credentials: 'same-origin',
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new ApiError(0, 'The service does not answer. It may be restarting; this page tries again by itself.');
  }
  const text = await answer.text();
  let value: any = null;
  try { value = text ? JSON.parse(text) : null; } catch { /* a body that is no JSON says nothing more */ }
  if (answer.ok) return value as T;
  if (answer.status === 401 && path !== '/leat/v1/session') signedOut();
  throw new ApiError(answer.status, sentence(answer.status, value));
}

export const get = <T = any>(path: string) => call<T>('GET', path);
export const post = <T = any>(path: string, body?: unknown) => call<T>('POST', path, body);
export const patch = <T = any>(path: string, body: unknown) => call<T>('PATCH', path, body);
export const del = <T = any>(path: string) => call<T>('DELETE', path);

// Server-sent events of a request that ends by itself, or when `signal` says so. Not EventSource: that one hides
// what was refused, and asks again when a stream has ended.
export async function events(path: string, signal: AbortSignal, each: (name: string, data: any) => void): Promise<void> {
  let answer: Response;
  try { answer = await fetch(path, { headers: { Accept: 'text/event-stream', 'X-Requested-With': 'console' }, credentials: 'same-origin', signal }); } catch (e) {
    if (signal.aborted) return;
    throw new ApiError(0, 'The service does not answer. It may be restarting; try again in a moment.');
  }
  if (!answer.ok) {
    if (answer.status === 401) signedOut();
    throw new ApiError(answer.status, sentence(answer.status, await answer.json().catch(() => null)));
  }
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split('\n\n');
      rest = blocks.pop()!;
      for (const block of blocks) {
        const name = /^event: (.*)$/m.exec(block)?.[1];
        const data = /^data: (.*)$/m.exec(block)?.[1];
        if (name && data) each(name, JSON.parse(data));
      }
    }
  } catch (e) { if (!signal.aborted) throw new ApiError(0, 'The connection broke off.'); }
}

// Every page of a list of the control plane.
export async function all<T = any>(path: string): Promise<T[]> {
  const rows: T[] = [];
  let next: string | null = path + (path.includes('?') ? '&' : '?') + 'page_size=100';
  for (let i = 0; next && i < 1000; i++) {
    const page: any = await get(next);
    rows.push(...page.data);
    const url: string = page.metadata?.next || '';
    next = url ? url.replace(/^https?:\/\/[^/]+/, '') : null;
  }
  return rows;
}

export type Loaded<T> = { value?: T; error?: string; reload: () => void };

// Asks again every `every` ms while the page is visible; what is shown stays until the next answer.
export function useGet<T = any>(path: string | null, every = 0, fetcher: (p: string) => Promise<T> = get): Loaded<T> {
  const [state, set] = useState<{ path: string | null; value?: T; error?: string }>({ path });
  const [turn, setTurn] = useState(0);
  const failures = useRef(0);
  useEffect(() => {
    if (!path) return;
    let over = false;
    let timer = 0;
    const ask = async () => {
      if (document.hidden && every) { timer = window.setTimeout(ask, every); return; }
      try {
        const value = await fetcher(path);
        failures.current = 0;
        if (!over) set({ path, value });
      } catch (e) {
        failures.current++;
        if (!over) set(old => ({ path, value: old.path === path ? old.value : undefined, error: (e as Error).message }));
      }
      if (!over && every) timer = window.setTimeout(ask, every * Math.min(1 + failures.current, 5));
    };
    ask();
    return () => { over = true; clearTimeout(timer); };
  }, [path, every, turn]);
  const mine = state.path === path ? state : { value: undefined, error: undefined };
  return { value: mine.value, error: mine.error, reload: () => setTurn(t => t + 1) };
}
