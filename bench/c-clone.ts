// Figures c and d: our git door beside `git http-backend` over the very same repository folder, for one large clone and for
// many small questions. Ours checks a key each time, the other asks for none.

import { globSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { type Figure, median, ROUNDS, SECONDS, text } from './support/figure.ts';
import { startHttpBackend } from './support/http-backend.ts';
import { load } from './support/load.ts';
import { inFolder, timed } from './support/processes.ts';
import { cloneUrl, gitEnvironment, MEGABYTES, makeProject, makeRepository, push } from './support/repository.ts';
import { ROOT_TOKEN, startServer } from './support/server.ts';

const missing = 'nginx, fcgiwrap or git http-backend is not installed here';

export function run(): Promise<Figure[]> {
  return inFolder(async (folder) => {
    const data = join(folder, 'data');
    const server = await startServer({ data });
    await makeProject(server, 'large');
    await push(server, await makeRepository(folder), 'large', folder);
    await rm(join(folder, 'source'), { recursive: true });
    const path = globSync(join(data, 'repositories', '*', '*', '*.git'))[0]!;
    const root = dirname(dirname(dirname(path)));
    const backend = await startHttpBackend(folder, root);
    const backendUrl = backend && `${backend.url}/${relative(root, path)}`;
    try {
      const clones = await cloneFigure(folder, {
        ours: cloneUrl(server, 'large'),
        backend: backendUrl,
        file: `file://${path}`,
      });
      return [clones, await infoRefsFigure(server.url, backendUrl)];
    } finally {
      await backend?.stop();
      await server.stop();
    }
  });
}

async function cloneFigure(
  folder: string,
  urls: { ours: string; backend: string | null; file: string },
): Promise<Figure> {
  const times: Record<keyof typeof urls, number[]> = { ours: [], backend: [], file: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const who of ['ours', 'backend', 'file'] as const) {
      const url = urls[who];
      if (url === null) continue;
      const target = join(folder, 'clone');
      times[who].push(await timed('git', ['clone', '--quiet', '--bare', url, target], { env: gitEnvironment(folder) }));
      await rm(target, { recursive: true });
    }
  }
  const [ours, other, file] = [median(times.ours), median(times.backend), median(times.file)];
  const row = (name: string, all: number[]) => [name, text(median(all), 2), all.map((one) => text(one, 2)).join(', ')];
  return {
    letter: 'c',
    title: `Clone of ${MEGABYTES} MB through our door against git http-backend behind nginx, and file://`,
    goal: '≤ 1.05 × http-backend',
    value: `${text(ours / other, 2)} × http-backend, ${text(ours / file, 2)} × file://`,
    met: urls.backend === null ? null : ours / other <= 1.05,
    table: [
      ['', 'seconds, median', 'all rounds'],
      row('Keyward', times.ours),
      row('git http-backend, nginx, fcgiwrap', times.backend),
      row('file://', times.file),
    ],
    notes:
      urls.backend === null ? [missing] : ['`git clone --bare`: the checkout would be the same work in all three.'],
  };
}

async function infoRefsFigure(ours: string, backendUrl: string | null): Promise<Figure> {
  const authorization = `Basic ${Buffer.from(`root:${ROOT_TOKEN}`).toString('base64')}`;
  const query = '/info/refs?service=git-upload-pack';
  const targets = [
    { name: 'Keyward', url: `${ours}/root/large.git${query}` },
    ...(backendUrl === null ? [] : [{ name: 'git http-backend, nginx, fcgiwrap', url: backendUrl + query }]),
  ];
  const protocols: { name: string; headers: Record<string, string> }[] = [
    { name: 'version 2', headers: { authorization, 'Git-Protocol': 'version=2' } },
    { name: 'version 0, 101 refs', headers: { authorization } },
  ];
  const rates = targets.map(() => protocols.map(() => [] as number[]));
  for (let round = 0; round < ROUNDS; round += 1)
    for (const [column, { headers }] of protocols.entries())
      for (const [row, { url }] of targets.entries())
        rates[row]![column]!.push((await load({ url, headers, seconds: SECONDS })).rate);
  const ratios = protocols.map((_, column) => median(rates[0]![column]!) / median(rates[1]?.[column] ?? []));
  return {
    letter: 'd',
    title: 'info/refs per second against git http-backend with fcgiwrap, eight connections',
    goal: '≥ 1.5 ×',
    value: ratios.map((ratio, column) => `${text(ratio, 2)} × (${protocols[column]!.name})`).join(', '),
    met: backendUrl === null ? null : ratios.every((ratio) => ratio >= 1.5),
    table: [
      ['answers a second', ...protocols.map(({ name }) => name)],
      ...targets.map(({ name }, row) => [name, ...rates[row]!.map((all) => text(median(all), 1))]),
    ],
    notes: backendUrl === null ? [missing] : [],
  };
}
