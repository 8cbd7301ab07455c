"""What training minimises; never imported by a codec."""
