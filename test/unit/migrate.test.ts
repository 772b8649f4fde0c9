import { createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { openDatabase } from '../../storage/database.ts';
import { migrate } from '../../storage/migrate.ts';

test.each([
  ['closes the connection', (socket: Socket) => socket.destroy()],
  ['resets the connection', (socket: Socket) => socket.resetAndDestroy()],
])('a database that %s while it is migrated is away, not too old', async (_, answer) => {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const database = openDatabase({ url: `postgres://belayer@127.0.0.1:${port}/belayer` });
  await expect(migrate(database)).rejects.toMatchObject({
    type: 'StorageUnavailable',
    message: expect.stringContaining('PostgreSQL did not answer'),
  });
  await new Promise((resolve) => server.close(resolve));
  await expect(migrate(database)).rejects.toMatchObject({ type: 'StorageUnavailable' });
  await database.close();
});
