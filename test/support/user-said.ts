/** What a request's first user message says: how a scripted provider knows whose call it is. */
export function userSaid(request: {
  readonly messages: readonly { readonly role: string; readonly content?: unknown }[];
}): string {
  const content = request.messages.find(({ role }) => role === 'user')?.content;
  return typeof content === 'string' ? content : '';
}
