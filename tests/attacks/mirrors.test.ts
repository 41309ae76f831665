import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import {
  copyOf,
  expectListed,
  expectRecovery,
  expectRefused,
  it,
  lieAbout,
  Mirror,
  publish,
} from './hostile.ts'
import type { Machine, Served } from './hostile.ts'

const app = 'app-1.0.0-any-any'

/** Runs with one more mirror. */
async function withMirror(served: Served, work: (mirror: Mirror) => Promise<void>): Promise<void> {
  const mirror = await new Mirror(served).open()
  try {
    await work(mirror)
  } finally {
    await mirror.close()
  }
}

async function updateFrom(machine: Machine, urls: readonly string[]): ReturnType<Machine['run']> {
  return machine.run(['update', ...urls, '--trust', machine.root, '--to', 'app', '--name', 'app'])
}

describe('a mirror that lies', () => {
  it.for([
    ['about the timestamp', 'timestamp.json', /timestamp\.json is not the metadata it should be/],
    ['about the snapshot', /snapshot\.json$/, /snapshot\.json is not the metadata it should be/],
    ['about the targets', /targets\.json$/, /targets\.json is not the metadata it should be/],
    ['about the next root', '2.root.json', /2\.root\.json is not the metadata it should be/],
  ] as const)(
    '%s is passed over for an honest one',
    async ([, name, says], { repository, mirror, machine }) => {
      await withMirror(repository, async (liar) => {
        liar.sin = lieAbout(name, '<html>Not found</html>')
        const run = await machine.list([liar.url, mirror.url])
        expectListed(run, [app])
        expect(run.stderr).toMatch(says)
        expect(run.stderr).toContain(`trying ${mirror.url}`)
        expect(run.records[0]).toMatchObject({
          source: mirror.url,
          mirrors: [expect.stringContaining(liar.url)],
        })
        liar.sin = undefined
        expectListed(await machine.list([liar.url]), [app])
      })
    },
  )

  it('about the bytes is passed over for an honest one', async ({ repository, mirror, machine }) => {
    await withMirror(copyOf(repository), async (liar) => {
      for (const name of liar.served.artifacts.keys()) liar.served.artifacts.set(name, Buffer.from('evil'))
      const run = await updateFrom(machine, [liar.url, mirror.url])
      expect(run, run.stderr).toMatchObject({ status: 0, records: [{ file: app }], failures: [] })
      expect(run.stderr).toContain(`trying ${mirror.url}`)
    })
  })

  it('is not believed when the others lie too', async ({ repository, mirror, machine }) => {
    await withMirror(repository, async (other) => {
      mirror.sin = lieAbout('timestamp.json', repository.bytesOf('snapshot'))
      other.sin = lieAbout('timestamp.json', '{}')
      const run = await machine.list([mirror.url, other.url])
      expectRefused(run, 77, /none of 2 mirrors/)
      for (const { url } of [mirror, other]) expect(run.stderr).toContain(`${url}: `)
      other.sin = lieAbout(/./, '', 503)
      expectRefused(await machine.list([mirror.url, other.url]), 77, /none of 2 mirrors/)
      await expectRecovery(machine, mirror, repository)
    })
  })

  it('with an old state is passed over for one that has the new one', async ({
    repository,
    mirror,
    machine,
  }) => {
    await withMirror(copyOf(repository), async (old) => {
      publish(repository, ['app-2.0.0-any-any'])
      expectListed(await machine.list(mirror.url), [app, 'app-2.0.0-any-any'])
      const run = await machine.list([old.url, mirror.url])
      expectListed(run, [app, 'app-2.0.0-any-any'])
      expect(run.stderr).toMatch(/timestamp\.json has version 2, but 3 was seen before/)
    })
  })
})

describe('a mirror that is away', () => {
  it('is passed over; with all of them away it is an outage', async ({ repository, mirror, machine }) => {
    const gone = await new Mirror(repository).open()
    const { url } = gone
    await gone.close()
    expectListed(await machine.list([url, mirror.url]), [app])
    expectRefused(await machine.list([url, url]), 69, /none of 2 mirrors/)
    await expectRecovery(machine, mirror, repository)
  })

  it('takes nothing with it of what a broken team leaves', async ({ repository, mirror, machine }) => {
    repository.delegate('targets', { name: 'team', paths: ['tool-*'] })
    publish(repository, ['tool-1.0.0-any-any'], 'team')
    repository.tamper('team', ({ signed }) => (signed.evil = true))
    const gone = await new Mirror(repository).open()
    const { url } = gone
    await gone.close()
    for (const urls of [
      [mirror.url, url],
      [url, mirror.url],
    ]) {
      const run = await machine.list(urls)
      expect(run, run.stderr).toMatchObject({ status: 77, records: [{ file: app }] })
      expect(run.failures).toMatchObject([
        { code: 'untrusted', message: expect.stringContaining('team') as string },
      ])
    }
  })
})

describe('local files', () => {
  it('that cannot be read are no mirror’s fault', async ({ mirror, machine }) => {
    expectListed(await machine.list(mirror.url), [app])
    await writeFile(join((await machine.places()).directory, '..', 'metadata.next'), 'a file')
    const run = await machine.list([mirror.url, mirror.url])
    expectRefused(run, 69, /metadata\.next: a part of the path is not a directory/)
    expect(run.stderr).not.toContain('of no use')
  })
})

describe('HTTP', () => {
  const page = '<!doctype html><title>Welcome</title>'

  it.for([
    [
      'an error page in place of the next root',
      77,
      lieAbout('2.root.json', page),
      /2\.root\.json is not the metadata/,
    ],
    ['a refusal with 400 in place of the next root', 76, lieAbout('2.root.json', page, 400), /status 400/],
    ['a page that asks to log in', 77, lieAbout(/./, page), /is not the metadata it should be: not JSON/],
    [
      'a refusal in place of the timestamp',
      69,
      lieAbout('timestamp.json', '', 403),
      /has no timestamp\.json/,
    ],
  ] as const)('%s is refused', async ([, status, sin, says], { repository, mirror, machine }) => {
    mirror.sin = sin
    expectRefused(await machine.list(mirror.url), status, says)
    await expectRecovery(machine, mirror, repository)
  })

  it('a failure in place of the next root is not taken for none', async ({ repository, mirror, machine }) => {
    mirror.sin = lieAbout('2.root.json', '', 500)
    expectRefused(await machine.list(mirror.url), 69, /2\.root\.json answered with status 500/)
    await expectRecovery(machine, mirror, repository)
  })

  // A bucket says 403 of what is not there; whoever lies so could say 404 as well.
  it('403 says that there is no next root, as 404 does', async ({ repository, mirror, machine }) => {
    mirror.sin = lieAbout('2.root.json', '', 403)
    expectListed(await machine.list(mirror.url), [app])
    await expectRecovery(machine, mirror, repository)
  })

  it.for([
    ['file:///etc/passwd', 76, /sends us to file:/],
    ['/metadata/timestamp.json', 76, /sends us on without end/],
    ['data:application/json,{}', 76, /sends us to data:/],
  ] as const)(
    'a redirect to %s is refused',
    async ([location, status, says], { repository, mirror, machine }) => {
      mirror.sin = (_request, response, name) => {
        if (name !== 'timestamp.json') return false
        response.writeHead(302, { location }).end()
        return true
      }
      expectRefused(await machine.list(mirror.url), status, says)
      await expectRecovery(machine, mirror, repository)
    },
  )

  it('a redirect to a stranger brings only what is signed', async ({ repository, mirror, machine }) => {
    await withMirror(copyOf(repository), async (stranger) => {
      mirror.sin = ({ url }, response) => {
        response.writeHead(302, { location: `${stranger.url}${url}` }).end()
        return true
      }
      expectListed(await machine.list(mirror.url), [app])
      stranger.sin = lieAbout('timestamp.json', '{}')
      expectRefused(await machine.list(mirror.url), 77, /timestamp\.json is not the metadata/)
      await expectRecovery(machine, mirror, repository)
    })
  })

  it('an encoding that was not asked for is refused', async ({ repository, mirror, machine }) => {
    mirror.sin = (_request, response, name) => {
      if (name !== 'timestamp.json') return false
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(Buffer.alloc(100))
      return true
    }
    expectRefused(await machine.list(mirror.url), 76, /answered in "gzip", which was not asked for/)
    await expectRecovery(machine, mirror, repository)
  })
})
