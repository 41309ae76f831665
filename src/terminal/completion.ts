import { renderBash } from './completion-bash.ts'
import { renderFish } from './completion-fish.ts'
import type { CompletionVerb } from './completion-words.ts'
import { renderZsh } from './completion-zsh.ts'

export type { CompletionFlag, CompletionVerb, Values } from './completion-words.ts'

const renderers = { bash: renderBash, zsh: renderZsh, fish: renderFish }

/** The shells that can complete. */
export const shells: readonly string[] = Object.keys(renderers)

/**
 * Writes the completion of gupper for a shell.
 * @returns the script's text; undefined for a shell that is not known
 */
export function renderCompletion(shell: string, verbs: readonly CompletionVerb[]): string | undefined {
  return Object.hasOwn(renderers, shell) ? renderers[shell as keyof typeof renderers](verbs) : undefined
}
