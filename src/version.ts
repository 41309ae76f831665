import manifest from '../package.json' with { type: 'json' }

/** The version of gupper itself. */
export const version: string = manifest.version
