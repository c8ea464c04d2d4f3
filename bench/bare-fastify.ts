// The yardstick of figure b: Fastify with one route that answers a constant of the same size, and nothing else. It ends with
// its parent.
import Fastify from 'fastify';

const app = Fastify();
const answer = JSON.parse(process.argv[2] ?? '{}') as unknown;
app.get('/api/v4/personal_access_tokens/self', () => answer);
const url = await app.listen({ host: '127.0.0.1', port: 0 });
process.on('disconnect', () => process.exit());
process.send?.(url);
