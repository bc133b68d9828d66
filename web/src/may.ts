// What the signed-in person's roles allow: pages offer that, and say of the rest why it is not there.
import { useGet } from './api';
import type { Cluster } from './types';

export type May = { known: boolean; may: (permission: string) => boolean };

// With one cluster, or (without) with everything there is. Nothing is offered before the answer came.
export function useMay(c?: Cluster): May {
  const told = useGet<{ permissions: string[] }>(`/leat/v1/permissions${c ? `?cluster_id=${c.id}` : ''}`, 60000);
  return { known: !!told.value, may: p => !!told.value?.permissions.includes(p) };
}
