// Where one is lives in the URL: path segments, and query parameters for the state of a page.
import { useEffect, useState } from 'preact/hooks';

const listeners = new Set<() => void>();

export function go(to: string, replace = false) {
  history[replace ? 'replaceState' : 'pushState'](null, '', to);
  for (const fn of listeners) fn();
}

export function useLocation(): { path: string[]; query: URLSearchParams } {
  const [, turn] = useState(0);
  useEffect(() => {
    const fn = () => turn(t => t + 1);
    listeners.add(fn);
    addEventListener('popstate', fn);
    return () => { listeners.delete(fn); removeEventListener('popstate', fn); };
  }, []);
  return {
    path: location.pathname.split('/').filter(Boolean).map(decodeURIComponent),
    query: new URLSearchParams(location.search),
  };
}

// Changes some query parameters of this page ('' or null leaves one out) without a new entry in the history.
export function setQuery(values: Record<string, string | null>) {
  const q = new URLSearchParams(location.search);
  for (const [k, v] of Object.entries(values)) { if (v) q.set(k, v); else q.delete(k); }
  const text = q.toString();
  go(location.pathname + (text ? '?' + text : ''), true);
}

// Links of the console are followed without a reload.
export function followLinks(e: MouseEvent) {
  if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
  const a = (e.target as Element).closest?.('a');
  if (!a || a.target || a.origin !== location.origin || a.hasAttribute('download') || a.getAttribute('href')?.startsWith('#')) return;
  e.preventDefault();
  go(a.pathname + a.search);
  scrollTo(0, 0);
}

export const seg = encodeURIComponent;
