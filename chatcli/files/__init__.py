"""What every file of ours needs: durable appends, replacement, partial files, locks. The ground floor."""
