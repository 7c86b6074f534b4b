"""What was measured at the papers' own sizes, kept as small files in results/paper and shown beside a build's own."""
