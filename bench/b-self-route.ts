// Figure b: what authentication, the decision and our plumbing cost per request, beside a bare Fastify route with the same
// answer. Each server has one core to itself, and the client another.
import { cpus } from 'node:os';
import { join } from 'node:path';
import { type Figure, text } from './support/figure.ts';
import { inFolder, keepOn, stop } from './support/processes.ts';
import { compare, MANY, type Rates } from './support/self-route.ts';
import { startNode, startServer } from './support/server.ts';

const FEW = 8;

const rows = (connections: number, rates: readonly Rates[]) =>
  rates.map(({ name, rate, perCpu }) => [`${name}, ${connections} connections`, text(rate), text(perCpu)]);

export function run(): Promise<Figure> {
  return inFolder(async (folder) => {
    const core = cpus().length > 1 ? 0 : undefined;
    const server = await startServer({ data: join(folder, 'data'), core });
    const self = await server.api('GET', '/personal_access_tokens/self');
    const bare = startNode('../bare-fastify.ts', [JSON.stringify(self)], process.env, core);
    const bareUrl = await new Promise<string>((resolve) => bare.once('message', (url) => resolve(String(url))));
    if (core !== undefined) await keepOn('1');
    const targets = [
      { name: 'bare Fastify route', url: bareUrl, pid: bare.pid! },
      { name: 'Keyward, SQLite', url: server.url, pid: server.pid },
    ];
    const [base, ours] = await compare(targets);
    const [baseOfFew, oursOfFew] = await compare(targets, FEW);
    if (core !== undefined) await keepOn(`0-${cpus().length - 1}`);
    await stop(bare);
    await server.stop();
    const ratio = ours!.perCpu / base!.perCpu;
    return {
      letter: 'b',
      title: 'Authenticated GET /personal_access_tokens/self against a bare Fastify route, one core',
      goal: '≥ 0.6',
      value: `${text(ratio, 2)} per CPU second, ${text(ours!.rate / base!.rate, 2)} by the clock`,
      met: ratio >= 0.6,
      table: [
        ['', 'answers a second', 'answers a CPU second'],
        ...rows(MANY, [base!, ours!]),
        ...rows(FEW, [baseOfFew!, oursOfFew!]),
      ],
      notes: [
        `The ratio is that of ${MANY} connections, where the server is what everybody waits for. With ${FEW} the client sleeps after`,
        'nearly every answer of the slower server, which pays for waking it; the faster one finds it awake.',
      ],
    };
  });
}
