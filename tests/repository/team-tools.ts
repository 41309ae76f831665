import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { writeEnvelope } from '../../src/repository/envelope.ts'
import { delegate } from '../../src/repository/roles/delegate.ts'
import { signWith } from '../../src/repository/sign.ts'
import type { Targets } from '../../src/trust/tuf/model.ts'
import { makePerson, type Person } from './ceremony-tools.ts'
import { joinKeyrings, readDraft, type World } from './tools.ts'

/** A team of a repository, which has signed for the first time. */
export async function makeTeam(world: World, name: string, paths = [`${name}-*`]): Promise<Person> {
  const person = await makePerson(world, name)
  const keyring = joinKeyrings(world.keyring, person.keyring)
  await delegate(world.repo, { name, keys: [person.key], paths }, { keyring })
  return person
}

/**
 * Writes what a team signs by itself, with no gupper that would keep it from it: a file as it travels.
 * @param edit changes what it says now, in place
 * @param place a directory; beside the repository when not given
 */
export async function speak(
  world: World,
  name: string,
  team: Person,
  edit: (next: Targets) => void,
  place = world.dir,
): Promise<string> {
  const draft = await readDraft(world.repo)
  const signed = await draft.edit(name)
  edit(signed)
  const authority = await draft.authorityOf(name)
  const envelope = signWith({ signed, signatures: [] }, authority, team.keyring)
  const gupper = { role: name, authorities: [authority] }
  const file = path.join(place, `${signed.version}.${name}.json`)
  await mkdir(place, { recursive: true })
  await writeFile(file, writeEnvelope({ ...envelope, gupper }))
  return file
}
