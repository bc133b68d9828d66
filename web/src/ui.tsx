// The parts every page is made of.
import { Fragment, type ComponentChildren, type JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Icon } from './icons';
import { bytesParts, count, rateParts } from './format';

export type Kids = { children?: ComponentChildren };

// --- numbers with their unit in a quieter ink -------------------------------------------------------
const Pair = ({ parts, title }: { parts: [string, string]; title?: string }) => (
  <span class="num" title={title}>{parts[0]}{parts[1] && <span class="unit"> {parts[1]}</span>}</span>
);
export const Bytes = ({ n }: { n: number | null | undefined }) =>
  <Pair parts={bytesParts(n)} title={n === null || n === undefined ? undefined : `${count(n)} bytes`} />;
export const Rate = ({ n }: { n: number | null | undefined }) =>
  <Pair parts={rateParts(n)} title={n === null || n === undefined ? undefined : `${count(n)} bytes per second`} />;

// --- state: a shape and a word ------------------------------------------------------------------------
const states: Record<string, [string, string]> = {
  running: ['ok', 'Running'], starting: ['busy', 'Starting'], stopped: ['idle', 'Stopped'], paused: ['idle', 'Paused'], backoff: ['bad', 'Restarting'],
  waiting_port: ['warn', 'Waiting for its port'], crash_loop: ['bad', 'Crash-looping'], stopping: ['busy', 'Stopping'], deleting: ['busy', 'Being deleted'],
};
// The shape differs from state to state, so that colour is never alone.
const shapes: Record<string, string> = { ok: 'dot', busy: 'again', warn: 'care', bad: 'broken', idle: 'pause' };
export const State = ({ name, reason }: { name: string; reason?: string }) => {
  const [kind, word] = states[name] || ['idle', name];
  return <span class={`st ${kind}`}><Icon name={shapes[kind]} /><span>{word}{reason && <span class="why">{reason}</span>}</span></span>;
};
export const tagWord = (tag: string) => (tag === 'production' || tag === 'staging' ? tag : 'test');
export const Tag = ({ tag }: { tag: string }) => <span class={`tag ${tagWord(tag)}`}><span class="sq" aria-hidden="true" />{tagWord(tag)}</span>;

// --- everything measured against its bank ---------------------------------------------------------------
// `peak` is drawn as a tick: the highest that was seen.
export function Gauge({ label, use, limit, show, bound = show, idle, peak, percent }: {
  label: string; use: number; limit: number; show: (n: number) => string; bound?: (n: number) => string; idle?: boolean; peak?: number; percent?: boolean;
}) {
  const share = limit > 0 ? Math.min(1, use / limit) : 0;
  const high = peak && limit > 0 ? Math.min(1, peak / limit) : 0;
  const level = share >= 1 ? 'bad' : share >= 0.9 ? 'warn' : idle ? 'idle' : '';
  return (
    <div class="gauge-row">
      <div class="gauge-text"><span>{label}</span><span class="num">{show(use)} <span class="unit">{limit > 0 ? <>of {bound(limit)}</> : 'no limit'}{percent && limit > 0 && ` ${Math.round(use / limit * 100)} %`}</span>{share >= 1 && <b class="bad-word"> full</b>}</span></div>
      {limit > 0 && <div class={`gauge ${level}`} role="meter" aria-label={label} aria-valuemin={0} aria-valuemax={limit} aria-valuenow={use}>
        <span style={{ width: `${Math.max(share * 100, use > 0 ? 0.7 : 0)}%` }} />
        {high > share + 0.01 && <i style={{ left: `${high * 100}%` }} />}
      </div>}
    </div>
  );
}

// --- buttons and fields -----------------------------------------------------------------------------------
export function Button({ icon, kind = '', children, ...rest }: { icon?: string; kind?: '' | 'primary' | 'danger' | 'quiet' | 'small' } & JSX.HTMLAttributes<HTMLButtonElement> & { disabled?: boolean; type?: 'button' | 'submit' }) {
  return <button type="button" {...rest} class={`btn ${kind}`}>{icon && <Icon name={icon} />}{children}</button>;
}
let ids = 0;
export function Field({ label, help, error, children }: { label: string; help?: ComponentChildren; error?: string; children: (id: string, describe: string) => ComponentChildren }) {
  const [id] = useState(() => `f${++ids}`);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children(id, `${id}h`)}
      <p class={error ? 'help error' : 'help'} id={`${id}h`} role={error ? 'alert' : undefined}>{error || help}</p>
    </div>
  );
}
export function Copy({ text, label = 'Copy' }: { text: string; label?: string }) {
  const [done, set] = useState(false);
  const copy = async () => {
    try { await navigator.clipboard.writeText(text); } catch {
      const area = document.createElement('textarea');
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand('copy');
      area.remove();
    }
    set(true);
    setTimeout(() => set(false), 1600);
  };
  return <Button kind="small" icon="copy" onClick={copy}>{done ? 'Copied' : label}</Button>;
}
export const Code = ({ text, label }: { text: string; label?: string }) => (
  <div class="code"><div class="code-head"><span>{label}</span><Copy text={text} /></div><pre tabIndex={0}>{text}</pre></div>
);

// --- overlays: <dialog>, so that focus, Escape and the inert page come from the browser --------------------
// They stand first in their page: Preact makes what follows a sibling that came or went anew, and with a
// dialog what was typed into it.
// `hold` keeps it open until its own button is pressed.
export function Overlay({ title, onClose, drawer, wide, hold, children }: { title: string; onClose: () => void; drawer?: boolean; wide?: boolean; hold?: boolean } & Kids) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => { if (!ref.current!.open) ref.current!.showModal(); }, []);
  return (
    <dialog ref={ref} class={drawer ? `drawer ${wide ? 'wide' : ''}` : 'dlg'} aria-label={title}
      onClose={onClose} onCancel={e => { if (hold) e.preventDefault(); }} onKeyDown={e => { if (hold && e.key === 'Escape') e.preventDefault(); }}
      onClick={e => { if (!hold && e.target === ref.current) ref.current!.close(); }}>
      <div class="dlg-in">
        <header><h2>{title}</h2>{!hold && <Button kind="quiet" icon="close" aria-label="Close" onClick={() => ref.current!.close()} />}</header>
        {children}
      </div>
    </dialog>
  );
}

// A form in an overlay: runs `submit`, shows what it refuses as a sentence, closes when done.
export function FormOverlay({ title, action, onClose, submit, danger, disabled, cancel = 'Cancel', drawer = true, wide, children }: {
  title: string; action: string; onClose: () => void; submit: () => Promise<unknown>; danger?: boolean; disabled?: boolean; cancel?: string; drawer?: boolean; wide?: boolean;
} & Kids) {
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const run = async (e: Event) => {
    e.preventDefault();
    setBusy(true);
    setError('');
    try { await submit(); onClose(); } catch (x) { setError((x as Error).message); setBusy(false); }
  };
  return (
    <Overlay title={title} onClose={onClose} drawer={drawer} wide={wide}>
      <form onSubmit={run}>
        <div class="dlg-body">{children}{error && <p class="banner bad" role="alert">{error}</p>}</div>
        <footer><Button onClick={onClose}>{cancel}</Button><Button type="submit" kind={danger ? 'danger' : 'primary'} disabled={busy || disabled}>{busy ? 'Working…' : action}</Button></footer>
      </form>
    </Overlay>
  );
}

// Deleting: what is lost, then the name.
export function DeleteOverlay({ what, name, lost, onClose, submit }: { what: string; name: string; lost: ComponentChildren[]; onClose: () => void; submit: () => Promise<unknown> }) {
  const [typed, type] = useState('');
  return (
    <FormOverlay title={`Delete ${what} ${name}?`} action={`Delete ${what}`} cancel="Keep it" danger drawer={false} disabled={typed !== name} onClose={onClose} submit={submit}>
      <ul class="lost">{lost.map(l => <li>{l}</li>)}</ul>
      <Field label={`Type ${name} to delete it`} help="There is no way back.">
        {(id, d) => <input id={id} aria-describedby={d} class="in mono" value={typed} autocomplete="off" spellcheck={false} onInput={e => type(e.currentTarget.value)} />}
      </Field>
    </FormOverlay>
  );
}

// --- page parts -----------------------------------------------------------------------------------------------
export function Head({ title, lead, side, actions, mono }: { title: string; lead?: ComponentChildren; side?: ComponentChildren; actions?: ComponentChildren; mono?: boolean }) {
  useEffect(() => { document.title = `${title} · Leat`; }, [title]);
  return (
    <div class="head">
      <div><div class="head-line"><h1 class={mono ? 'wrap' : ''}>{title}</h1>{side}</div>{lead && <p class="lead">{lead}</p>}</div>
      {actions && <div class="acts">{actions}</div>}
    </div>
  );
}
export const Strip = ({ items }: { items: { label: string; value: ComponentChildren; note?: ComponentChildren }[] }) => (
  <dl class="strip">{items.map(i => <div><dt>{i.label}</dt><dd class="big">{i.value}</dd><dd class="note">{i.note || ' '}</dd></div>)}</dl>
);
export const Banner = ({ kind = 'bad', children }: { kind?: 'bad' | 'warn' | 'info' } & Kids) => <div class={`banner ${kind}`} role={kind === 'bad' ? 'alert' : 'status'}>{children}</div>;
export const Section = ({ title, note, side, children }: { title: string; note?: ComponentChildren; side?: ComponentChildren } & Kids) => (
  <section><div class="sec-head"><h2>{title}</h2>{note && <span class="sec-note">{note}</span>}<span class="grow" />{side}</div>{children}</section>
);
export const Empty = ({ title, children }: { title: string } & Kids) => <div class="empty"><p class="empty-title">{title}</p><div>{children}</div></div>;
export const Skeleton = ({ rows = 4 }: { rows?: number }) => <div class="card" aria-busy="true" aria-label="Loading">{Array.from({ length: rows }, () => <div class="skel"><span /></div>)}</div>;

export type Column<T> = { title: string; cell: (row: T) => ComponentChildren; num?: boolean; sort?: string; narrow?: 'p2' | 'p3'; width?: string };
export function Table<T>({ rows, columns, rowKey, sort, onSort, rowClass, label, after }: {
  rows: T[]; columns: Column<T>[]; rowKey: (row: T) => string; sort?: string; onSort?: (key: string) => void;
  rowClass?: (row: T) => string; label: string; after?: (row: T) => ComponentChildren;
}) {
  const cls = (c: Column<T>) => [c.num && 'r', c.narrow].filter(Boolean).join(' ');
  return (
    <div class="card scroll"><table aria-label={label}>
      <thead><tr>{columns.map(c => {
        const down = sort === `-${c.sort}`;
        const on = c.sort && (sort === c.sort || down);
        return <th class={cls(c)} scope="col" aria-sort={on ? (down ? 'descending' : 'ascending') : undefined}>
          {c.sort && onSort ? <button type="button" class="sort" onClick={() => onSort(on && !down ? `-${c.sort}` : c.sort!)}>{c.title}{on ? (down ? ' ↓' : ' ↑') : ''}</button> : c.title}</th>;
      })}</tr></thead>
      <tbody>{rows.map(r => <Fragment key={rowKey(r)}><tr class={rowClass?.(r)}>{columns.map(c => <td class={cls(c)}>{c.cell(r)}</td>)}</tr>{after?.(r)}</Fragment>)}</tbody>
    </table></div>
  );
}
export const Tabs = ({ base, tabs, on }: { base: string; tabs: [string, string, ComponentChildren?][]; on: string }) => (
  <nav class="tabs" aria-label="Parts of this page">{tabs.map(([key, word, n]) =>
    <a href={key ? `${base}?tab=${key}` : base} aria-current={on === key ? 'page' : undefined}>{word}{n !== undefined && <span class="unit"> {n}</span>}</a>)}</nav>
);

// Amount and unit in one frame; the value is in the base unit, '' = not set.
// `start` is the unit to begin with while there is no value.
export function Pick({ id, describe, value, units, onChange, placeholder, start = 1 }: {
  start?: number; id: string; describe: string; value: string; units: [string, number][]; onChange: (v: string) => void; placeholder?: string }) {
  const best = () => { const n = Number(value); let at = 0; units.forEach(([, f], i) => { if (n && n % f === 0) at = i; }); return at; };
  const [unit, setUnit] = useState(value ? best() : Math.min(start, units.length - 1));
  const factor = units[unit][1];
  const amount = value === '' ? '' : String(Number(value) / factor);
  return (
    <span class="pick">
      <input id={id} aria-describedby={describe} class="in" inputMode="decimal" value={amount} placeholder={placeholder}
        onInput={e => { const v = e.currentTarget.value.trim(); onChange(v === '' || isNaN(Number(v)) ? '' : String(Math.round(Number(v) * factor))); }} />
      <select class="in" aria-label="Unit" value={String(unit)} onChange={e => { const u = Number(e.currentTarget.value); setUnit(u); if (value) onChange(String(Math.round(Number(amount) * units[u][1]))); }}>
        {units.map(([w], i) => <option value={String(i)}>{w}</option>)}
      </select>
    </span>
  );
}
export const TIME_UNITS: [string, number][] = [['minutes', 60000], ['hours', 3600000], ['days', 86400000]];
export const SIZE_UNITS: [string, number][] = [['KiB', 1024], ['MiB', 1048576], ['GiB', 1073741824]];
export const RATE_UNITS: [string, number][] = [['KB/s', 1000], ['MB/s', 1000000]];

// --- a message that comes and goes ---------------------------------------------------------------------------
let showToast: (text: string) => void = () => {};
export const toast = (text: string) => showToast(text);
export function Toasts() {
  const [text, set] = useState('');
  useEffect(() => {
    let timer = 0;
    showToast = t => { set(t); clearTimeout(timer); timer = window.setTimeout(() => set(''), 5000); };
  }, []);
  return <div class="toasts" role="status" aria-live="polite">{text && <div class="toast">{text}</div>}</div>;
}
