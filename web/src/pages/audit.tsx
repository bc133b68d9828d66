// Who changed what, newest first.
import { useState } from 'preact/hooks';
import { useGet } from '../api';
import { dateTime } from '../format';
import type { Cluster } from '../types';
import { Banner, Button, Empty, Head, Skeleton, Table } from '../ui';

type Entry = { id: number; at: string; actor: string; door: string; address: string; operation: string; resource: string; cluster_id: string; detail: unknown };

export function Audit({ c }: { c?: Cluster }) {
  const [tokens, setTokens] = useState<string[]>([]);
  const token = tokens[tokens.length - 1];
  const list = useGet<{ data: Entry[]; metadata?: { next: string | null } }>(`/leat/v1/audit?page_size=50${c ? `&cluster_id=${c.id}` : ''}${token ? `&page_token=${encodeURIComponent(token)}` : ''}`, token ? 0 : 5000);
  const next = list.value?.metadata?.next ? new URL(list.value.metadata.next, location.href).searchParams.get('page_token') : null;
  return (
    <>
      <Head title="Audit" lead={`Every change${c ? ' of this cluster' : ''}: who made it, through which door, and from where.`} />
      {list.error && <Banner>{list.error}</Banner>}
      {!list.value ? (!list.error && <Skeleton />) : list.value.data.length === 0 ? <Empty title="Nothing yet">Changes show here as they are made.</Empty> :
        <Table label="Audit" rows={list.value.data} rowKey={e => String(e.id)} columns={[
          { title: 'Time', cell: e => dateTime(e.at) },
          { title: 'What', cell: e => <span class="mono">{e.operation}</span> },
          { title: 'Which', cell: e => <span class="mono wrap">{e.resource}</span> },
          { title: 'Who', cell: e => e.actor },
          { title: 'Door', narrow: 'p2', cell: e => e.door },
          { title: 'From', narrow: 'p3', cell: e => <span class="mono">{e.address}</span> },
        ]} />}
      {(tokens.length > 0 || next) && <><br /><div class="bar">{tokens.length > 0 && <Button icon="back" onClick={() => setTokens(tokens.slice(0, -1))}>Newer</Button>}{next && <Button onClick={() => setTokens([...tokens, next])}>Older</Button>}</div></>}
    </>
  );
}
