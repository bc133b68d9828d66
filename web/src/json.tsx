// JSON laid out for reading. The text itself is indented, token by token: parsing and printing it again would
// round large numbers, and a console must show what the record holds.
import type { ComponentChildren } from 'preact';

const token = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[{}[\],:]/g;
const MOST = 262144;

export function isJson(text: string): boolean {
  if (text.length > MOST || !/^\s*[{["\-\dtfn]/.test(text)) return false;
  try { JSON.parse(text); return true; } catch { return false; }
}

const kind = (word: string, next: string | undefined) =>
  word[0] === '"' ? (next === ':' ? 'k' : 's') : /^[-\d]/.test(word) ? 'd' : 'c';

export function Json({ text }: { text: string }) {
  const words = text.match(token) || [];
  const out: ComponentChildren[] = [];
  let depth = 0;
  const line = () => `\n${'  '.repeat(depth)}`;
  words.forEach((word, i) => {
    const next = words[i + 1];
    if (word === '{' || word === '[') {
      const empty = next === '}' || next === ']';
      depth++;
      out.push(word, empty ? '' : line());
    } else if (word === '}' || word === ']') {
      depth--;
      const empty = words[i - 1] === '{' || words[i - 1] === '[';
      out.push(empty ? '' : line(), word);
    } else if (word === ',') out.push(',', line());
    else if (word === ':') out.push(': ');
    else out.push(<span class={`json-${kind(word, next)}`}>{word}</span>);
  });
  return <>{out}</>;
}
