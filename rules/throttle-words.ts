/** A throttle as a person reads it: "the throttle of customer `acme`". */
export const throttleWords = (customer: string | null): string =>
  `the throttle of ${customer === null ? 'the installation' : customer === '*' ? 'each customer' : `customer \`${customer}\``}`;
