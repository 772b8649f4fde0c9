/** The stand-in's sentences, in the three languages that it knows. Other mails are answered in English. */
export interface OrderWords {
  readonly orderId: string;
  readonly item: string;
  readonly state: 'packed' | 'shipped' | 'delivered';
  readonly tracking?: string;
}

export interface Words {
  letter(body: string): string;
  refunded(amount: string): string;
  state(order: OrderWords): string;
  readonly whichOrder: string;
  readonly colleague: string;
}

export type Language = 'en' | 'de' | 'es';

const common: Readonly<Record<Exclude<Language, 'en'>, RegExp>> = {
  de: /\b(ich|und|die|der|nicht|bitte|meine|für|ist|guten|grüße|bestellung)\b/giu,
  es: /\b(el|la|mi|pedido|gracias|hola|una?|los|por|está|dónde|necesito)\b/giu,
};

/** By its commonest words; three of them make a language. */
export function languageOf(text: string): Language {
  const count = (language: Exclude<Language, 'en'>): number =>
    text.match(common[language])?.length ?? 0;
  const [best] = (['de', 'es'] as const).toSorted((a, b) => count(b) - count(a));
  return best !== undefined && count(best) >= 3 ? best : 'en';
}

export const wordsOf = (language: Language): Words => all[language];

const all: Readonly<Record<Language, Words>> = {
  en: {
    letter: (body) => `Hello,\n\n${body}\n\nKind regards\nCrag & Summit\n(written by a program)\n`,
    refunded: (amount) => `we have refunded ${amount} to the card that you paid with.`,
    state: ({ orderId, item, state, tracking }) =>
      `your order ${orderId} (${item}) is ${state}${tracking === undefined ? '' : `; its tracking number is ${tracking}`}.`,
    whichOrder: 'we found no such order of yours. Could you send us its number? It begins with A-.',
    colleague: 'a colleague will look into this and write to you.',
  },
  de: {
    letter: (body) =>
      `Guten Tag,\n\n${body}\n\nFreundliche Grüße\nCrag & Summit\n(von einem Programm geschrieben)\n`,
    refunded: (amount) =>
      `wir haben Ihnen ${amount} auf die Karte erstattet, mit der Sie bezahlt haben.`,
    state: ({ orderId, item, state, tracking }) =>
      `Ihre Bestellung ${orderId} (${item}) ist ${{ packed: 'verpackt', shipped: 'unterwegs', delivered: 'zugestellt' }[state]}${tracking === undefined ? '' : `; die Sendungsnummer ist ${tracking}`}.`,
    whichOrder:
      'wir finden keine solche Bestellung von Ihnen. Wie lautet ihre Nummer? Sie beginnt mit A-.',
    colleague: 'eine Kollegin wird sich darum kümmern und Ihnen schreiben.',
  },
  es: {
    letter: (body) => `Hola:\n\n${body}\n\nUn saludo\nCrag & Summit\n(escrito por un programa)\n`,
    refunded: (amount) => `le hemos devuelto ${amount} a la tarjeta con la que pagó.`,
    state: ({ orderId, item, state, tracking }) =>
      `su pedido ${orderId} (${item}) ${{ packed: 'está embalado', shipped: 'está en camino', delivered: 'fue entregado' }[state]}${tracking === undefined ? '' : `; su número de seguimiento es ${tracking}`}.`,
    whichOrder: 'no encontramos ese pedido suyo. ¿Nos envía su número? Empieza por A-.',
    colleague: 'una compañera se ocupará de ello y le escribirá.',
  },
};
