package syncjob

// MaxText is the largest size of an overall_status, and of a text of detailed_status, in bytes. The
// decoder cuts longer ones: a broken appliance may send megabytes for each of 20,000 scopes.
const MaxText = 512

// preferred returns one of two texts of the same status for the same scope in one job. The result
// does not depend on their order, because the members of a JSON object have none.
func preferred(a, b string) string {
	if a == "" || (b != "" && b < a) {
		return b
	}
	return a
}
